// The handlers' runs, and the trampoline.
#include <errno.h>
#include <string.h>

#include "runtime/cancel.h"
#include "runtime/native_locks.h"
#include "runtime/perturb.h"
#include "runtime/scheduler.h"
#include "runtime/signal_internal.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace signals {

namespace {

// What a handler gets as its third argument where the kernel's frame is long gone.
void make_frame(ucontext_t& frame, const fiber& self) {
  memset(&frame, 0, sizeof frame);
  frame.uc_stack = self.thread.alternate_stack;
  frame.uc_mcontext.fpregs = &frame.__fpregs_mem;
  frame.uc_mcontext.gregs[REG_RIP] = reinterpret_cast<greg_t>(__builtin_return_address(0));
  frame.uc_mcontext.gregs[REG_RSP] = reinterpret_cast<greg_t>(__builtin_frame_address(0));
}

// Leaves the runtime for the program's code; first for the handlers of other signals that this
// one's mask permits: the kernel, too, stacks the frames of all and so runs the last one first.
void enter_program() {
  __asm__ volatile("" ::: "memory");
  self_state.in_runtime = 0;
  __asm__ volatile("" ::: "memory");
  if (deferred_work.load(std::memory_order_relaxed) != 0) run_deferred();
}

// The kernel's frame goes back to the carrier that the fiber is on now, with everything blocked
// until then, so that no handler can move it once more.
void refit_frame(ucontext_t& frame, fiber& self) {
  raw::set_mask(~signal_set{0});
  frame_mask(frame) = self.on->kernel_mask;
  frame.uc_stack = self.on->alternate_stack;
}

void restore_mask(fiber& self, signal_set mask) {
  signal_set changed = 0;
  {
    lock_guard guard(mutex);
    if (mask == self.thread.signals_counted)
      set_uncounted_mask(self, mask);
    else
      changed = count_mask(self, mask);
    recheck(self);
  }
  settle_mask(self, changed);
}

}  // namespace

void run_handler(fiber& self, const kernel_action& a, siginfo_t& info, ucontext_t* kernel_frame) {
  int number = info.si_signo;
  int saved_errno = errno;
  signal_set before = mask_of(self).load(std::memory_order_relaxed);
  signal_set during = before | a.mask | ((a.flags & SA_NODEFER) != 0 ? 0 : signal_bit(number));
  ucontext_t made;
  if (kernel_frame == nullptr) make_frame(made, self);
  ucontext_t& frame = kernel_frame != nullptr ? *kernel_frame : made;
  signal_set kernel_mask = frame_mask(frame);
  frame_mask(frame) = before;
  {
    lock_guard guard(mutex);
    set_uncounted_mask(self, during);
    recheck(self);
  }
  if (kernel_frame != nullptr) raw::set_mask(kernel_mask);

  uint32_t depth = self_state.in_runtime;
  enter_program();
  errno = saved_errno;
  constexpr stack_t no_stack{nullptr, SS_DISABLE, 0};
  const stack_t& stack = (a.flags & SA_ONSTACK) != 0 ? self.thread.alternate_stack : no_stack;
  call_handler_on(stack, reinterpret_cast<signal_handler>(a.handler), number, &info, &frame);
  self_state.in_runtime = depth;
  __asm__ volatile("" ::: "memory");

  restore_mask(self, frame_mask(frame) & ~unblockable);
  if (kernel_frame != nullptr) refit_frame(frame, self);
  errno = saved_errno;
}

interruption run_due(fiber& self, ucontext_t* frame) {
  interruption result = interruption::nothing;
  for (;;) {
    siginfo_t info;
    kernel_action a;
    {
      lock_guard guard(mutex);
      heard(self);
      signal_set allowed = ~mask_of(self).load(std::memory_order_relaxed);
      thread_part& t = self.thread;
      if (!pending::take(t.signal_queue, t.signals_pending, allowed, info) &&
          !pending::take(process_queue, process_pending, allowed, info))
        return result;
      a = action_of(info.si_signo);
      if (a.handled() && (a.flags & SA_RESETHAND) != 0) reset_action(info.si_signo);
    }
    if (!a.handled()) {
      act_without_handler(a, info.si_signo);
      continue;
    }
    run_handler(self, a, info, frame);
    if ((a.flags & SA_RESTART) == 0)
      result = interruption::fail;
    else if (result == interruption::nothing)
      result = interruption::restart;
  }
}

namespace {

// The kernel directs these at the thread whose call caused them, or whose id was named.
bool is_directed(const siginfo_t& info) {
  return info.si_code == SI_TKILL || (signal_bit(info.si_signo) & follows_fiber) != 0;
}

// The interrupted thread is in the runtime, or no fiber: it acts when it can.
void file_for_later(const siginfo_t& info, ucontext_t& frame) {
  fiber* host = self_state.host;
  bool directed = host != nullptr && is_directed(info);
  if (catch_signal(info, directed ? host->thread.id : 0))
    deferred_work.fetch_add(1, std::memory_order_seq_cst);
  carrier* c = host != nullptr ? host->on : self_state.home_of;
  if (caught_nearly_full() && c != nullptr) {
    // The kernel keeps the rest until the carrier adopts its proper mask again.
    constexpr signal_set realtime = ~signal_set{0} << (34 - 1);
    frame_mask(frame) |= realtime;
    std::atomic_ref(c->kernel_mask).fetch_or(realtime, std::memory_order_relaxed);
  }
  scheduler::kick();
}

// The interrupted fiber is in the program's code: no lock of ours is held by this thread. Runs what
// is due on it. From the last look to the return everything is blocked on this kernel thread; what
// others tell the fiber meanwhile is followed by a poke.
void look_here(fiber& host, ucontext_t& frame) {
  while (signals_caught() ||
         (host.interrupts.load(std::memory_order_seq_cst) & interrupt_signal) != 0) {
    {
      lock_guard guard(mutex);
      dispatch(nullptr, &host);
    }
    run_due(host, &frame);
  }
}

void deliver_here(fiber& host, siginfo_t& info, ucontext_t& frame) {
  self_state.in_runtime = 1;
  if (info.si_signo == SIGABRT && info.si_code == SI_TKILL) {
    // abort() has unblocked it behind our back.
    set_mask(host, mask_of(host).load(std::memory_order_relaxed) & ~signal_bit(SIGABRT));
    refit_frame(frame, host);
  }
  {
    lock_guard guard(mutex);
    fiber* target = is_directed(info) ? &host : nullptr;
    file_caught(info, target);
    if (target != nullptr && takes(host, info.si_signo)) tell(host, info.si_signo);
    dispatch(nullptr, &host);
  }
  look_here(host, frame);
  self_state.in_runtime = 0;
}

// A kernel thread that is not ours: the kernel chose it, and what it has is what the program set.
void deliver_foreign(siginfo_t& info, ucontext_t& frame) {
  int number = info.si_signo;
  int saved_errno = errno;
  kernel_action a;
  {
    runtime_scope scope;
    lock_guard guard(mutex);
    a = action_of(number);
    if (a.handled() && (a.flags & SA_RESETHAND) != 0) reset_action(number);
    if (!a.handled()) file_caught(info, nullptr);
  }
  if (!a.handled()) return;
  raw::set_mask(frame_mask(frame) | a.mask |
                ((a.flags & SA_NODEFER) != 0 ? 0 : signal_bit(number)));
  stack_t stack = frame.uc_stack;
  if ((a.flags & SA_ONSTACK) == 0) stack.ss_flags = SS_DISABLE;
  call_handler_on(stack, reinterpret_cast<signal_handler>(a.handler), number, &info, &frame);
  errno = saved_errno;
}

}  // namespace

void on_signal(int number, siginfo_t* info, void* context) {
  auto& frame = *static_cast<ucontext_t*>(context);
  if (is_fault(number, *info)) return on_fault(*info, frame);
  if (self_state.home_of != nullptr || self_state.in_runtime != 0)
    return file_for_later(*info, frame);
  // A handler may sleep: not on the stack that all fibers of this carrier share.
  if (may_fault(number) && on_borrowed_stack(frame))
    move_frame_to_interrupted_stack(*info, frame, on_signal);
  fiber* host = self_state.host;
  if (host != nullptr) return deliver_here(*host, *info, frame);
  deliver_foreign(*info, frame);
}

void look_in_frame(ucontext_t& frame) {
  fiber* host = self_state.host;
  if (host == nullptr || self_state.in_runtime != 0) return;
  self_state.in_runtime = 1;
  look_here(*host, frame);
  self_state.in_runtime = 0;
}

void preempt_in_frame(ucontext_t& frame) {
  if (may_hold_native_lock(static_cast<uintptr_t>(frame.uc_mcontext.gregs[REG_RIP]))) return;
  fiber* host = self_state.host;
  if (host == nullptr || self_state.current != host || self_state.in_runtime != 0) return;
  if (self_state.in_lasting_call != 0) return;
  // What lies on an alternate stack would be in the way of the next signal there.
  auto stack = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (lies_in(host->thread.alternate_stack, stack) || lies_in(host->on->own_alternate_stack, stack))
    return;
  self_state.in_runtime = 1;
  int saved_errno = errno;
  raw::set_mask(frame_mask(frame));
  scheduler::preempt(*host);
  look_here(*host, frame);
  refit_frame(frame, *host);
  errno = saved_errno;
  self_state.in_runtime = 0;
}

}  // namespace signals

void run_deferred() {
  fiber* self = self_state.host;
  constexpr uint32_t due = interrupt_signal | interrupt_asynchronous;
  auto is_due = [self] {
    return self != nullptr && (self->interrupts.load(std::memory_order_seq_cst) & due) != 0;
  };
  while (signals_caught() || is_due()) {
    self_state.in_runtime = 1;
    __asm__ volatile("" ::: "memory");
    {
      lock_guard guard(signals::mutex);
      signals::dispatch(nullptr, self);
    }
    if (is_due()) signals::run_due(*self, nullptr);
    if (self != nullptr) {
      adopt_kernel_state(*self->on, *self);
      cancel::act_if_asynchronous(*self);
    }
    __asm__ volatile("" ::: "memory");
    self_state.in_runtime = 0;
    __asm__ volatile("" ::: "memory");
  }
  if (perturb::chance(32) && self_state.current == self) scheduler::yield();
}

interruption handle_interruption(bool at_cancellation_point) {
  fiber* self = self_state.host;
  if (self == nullptr) return interruption::nothing;
  if (signals_caught()) signals_dispatch();
  interruption result = signals::run_due(*self, nullptr);
  if (at_cancellation_point) cancellation_point();
  return result;
}

}  // namespace vervet
