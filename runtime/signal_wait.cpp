// Waiting for signals instead of handling them; and what is left of all this in a forked child.
#include <errno.h>
#include <sys/signalfd.h>

#include "runtime/descriptor.h"
#include "runtime/signal_internal.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace signals {
namespace {

// A signalfd over the awaited set tells when the kernel has one of them pending, which is where a
// signal stays that every fiber blocks. It is only a bell: the signal is taken by rt_sigtimedwait,
// so that all its particulars are the kernel's. Open while nobody's code runs.
class bell {
 public:
  explicit bell(signal_set set) : set_(set) {}
  ~bell() { close(); }
  bell(const bell&) = delete;
  bell& operator=(const bell&) = delete;

  // Before the pending signals are looked at: what comes after that is heard.
  void listen() {
    if (fd_ < 0) {
      fd_ = static_cast<int>(
          sys::call(SYS_signalfd4, -1, sys::word(&set_), sizeof set_, SFD_NONBLOCK | SFD_CLOEXEC));
      if (fd_ >= 0) fd_ = sys::move_high(fd_);
    }
    if (descriptor* d = descriptor_of(fd_))
      d->ready.fetch_and(~descriptor::readable, std::memory_order_seq_cst);
  }

  readiness wait(deadline until) {
    return wait_ready(fd_, EPOLLIN, wait_for::signal, until,
                      {.interruptible = wait_class::cancellable});
  }

  void close() { close_waited(fd_); }

 private:
  signal_set set_;
  int fd_ = -1;
};

bool take_filed(fiber& self, signal_set set, siginfo_t* info) {
  lock_guard guard(mutex);
  if (signals_caught()) dispatch(&self, nullptr);
  heard(self);
  thread_part& t = self.thread;
  bool taken = pending::take(t.signal_queue, t.signals_pending, set, *info) ||
               pending::take(process_queue, process_pending, set, *info);
  recheck(self);
  return taken;
}

void set_awaited(fiber& self, signal_set set) {
  self.thread.signals_awaited.store(set, std::memory_order_seq_cst);
}

// One of `set` that is pending anywhere, or zero.
int take_any(fiber& self, signal_set set, siginfo_t* info) {
  if (take_filed(self, set, info)) return info->si_signo;
  long number = raw::take_pending(set, info);
  return number > 0 ? static_cast<int>(number) : 0;
}

}  // namespace

int await(fiber& self, signal_set set, siginfo_t* info, deadline until) {
  set &= ~unblockable;
  siginfo_t ignored;
  if (info == nullptr) info = &ignored;
  bell b(set);
  set_awaited(self, set);
  int result = take_any(self, set, info);
  while (result == 0) {
    if (until == at_once) {
      result = -EAGAIN;
      break;
    }
    b.listen();
    result = take_any(self, set, info);
    if (result != 0) break;
    readiness r = b.wait(until);
    result = take_any(self, set, info);
    if (result != 0) break;
    if (r == readiness::timed_out) result = -EAGAIN;
    if (r != readiness::interrupted) continue;
    // Program code runs, and may not come back: nothing is left open.
    b.close();
    set_awaited(self, 0);
    if (handle_interruption(true) != interruption::nothing) return -EINTR;
    set_awaited(self, set);
    result = take_any(self, set, info);
  }
  set_awaited(self, 0);
  return result;
}

void suspend(fiber& self, signal_set mask) {
  signal_set before = mask_of(self).load(std::memory_order_relaxed);
  if (mask != before) set_mask(self, mask);
  for (;;) {
    parker& sleeper = self_parker();
    sleeper.arm(wait_class::cancellable);
    park(sleeper, wait_for::signal, never);
    if (handle_interruption(true) != interruption::nothing) break;
  }
  if (mask != before) set_mask(self, before);
}

signal_set pending_for(fiber& self) {
  signal_set kernels = 0;
  sys::call(SYS_rt_sigpending, sys::word(&kernels), sizeof kernels);
  if (signals_caught()) signals_dispatch();
  lock_guard guard(mutex);
  signal_set all = kernels | self.thread.signals_pending.load(std::memory_order_relaxed) |
                   process_pending.load(std::memory_order_relaxed);
  return all & mask_of(self).load(std::memory_order_relaxed);
}

}  // namespace signals

namespace {

// The forking thread's mask, in its own identity.
thread_local signal_set mask_before_fork __attribute__((tls_model("initial-exec")));

}  // namespace

void signals_before_fork() {
  if (fiber* self = self_state.host) self->on->mask_held.store(true, std::memory_order_seq_cst);
  mask_before_fork = raw::set_mask(~signal_set{0});
}

void signals_after_fork() {
  if (fiber* self = self_state.host)
    signals::hide_mask(*self);
  else
    raw::set_mask(mask_before_fork);
}

void signals_dormant(fiber* survivor) {
  using namespace signals;
  mutex.reset();
  forget_pending();
  process_queue = {};
  process_pending.store(0, std::memory_order_relaxed);
  deferred_work.store(0, std::memory_order_relaxed);
  forget_masks();
  give_back_actions();
  if (survivor == nullptr) {
    raw::set_mask(mask_before_fork);
    return;
  }
  const stack_t& carriers = survivor->on->own_alternate_stack;
  set_alternate_stack(survivor->thread.alternate_stack,
                      static_cast<char*>(carriers.ss_sp) + carriers.ss_size);
  raw::set_mask(mask_of(*survivor).load(std::memory_order_relaxed));
}

}  // namespace vervet
