// The program's actions, and what the kernel has in their place.
#include <errno.h>

#include "runtime/signal_internal.h"
#include "runtime/thread.h"

namespace vervet::signals {
namespace {

// Written with the lock held, read without it by faults and by forked children, which may find a
// writer at work for ever: the writer fills the form that is not in use, then makes it the one in
// use.
struct entry {
  std::atomic<uint32_t> version;  // its last bit tells the form in use
  kernel_action forms[2];
};
entry table[65];
bool taken_over;
std::atomic<signal_set> handled{0};
bool children_announced;

constexpr signal_set not_ours = unblockable;

void store(int number, const kernel_action& a) {
  entry& e = table[number];
  uint32_t next = e.version.load(std::memory_order_relaxed) + 1;
  e.forms[next & 1] = a;
  e.version.store(next, std::memory_order_seq_cst);
  if (a.handled())
    handled.fetch_or(signal_bit(number), std::memory_order_relaxed);
  else
    handled.fetch_and(~signal_bit(number), std::memory_order_relaxed);
}

bool wants_trampoline(int number, const kernel_action& a) {
  if (a.handled()) return true;
  if (a.handler != reinterpret_cast<void*>(SIG_DFL)) return false;
  // An overflow of a fiber's stack is reported; children are announced to those who wait for them.
  return number == SIGSEGV || (number == SIGCHLD && children_announced);
}

kernel_action kernel_form(int number, const kernel_action& a) {
  if (!wants_trampoline(number, a)) return a;
  constexpr unsigned long kernels_own = SA_RESTART | SA_NOCLDSTOP | SA_NOCLDWAIT;
  kernel_action k{};
  k.handler = reinterpret_cast<void*>(on_signal);
  k.flags = (a.flags & kernels_own) | SA_SIGINFO | flag_restorer;
  if (!a.handled()) k.flags |= SA_RESTART;
  // A handler may run out of stack itself, and must be found then.
  if (may_fault(number)) k.flags |= SA_ONSTACK;
  k.restorer = signal_restorer();
  k.mask = ~signal_set{0};
  return k;
}

void install(int number, const kernel_action& a) {
  kernel_action k = kernel_form(number, a);
  raw::action(number, &k, nullptr);
}

void drop_pending(signal_set unwanted) {
  pending::drop(process_queue, process_pending, unwanted);
  auto drop_in = [](fiber& f, void* argument) {
    thread_part& t = f.thread;
    signal_set bits = *static_cast<signal_set*>(argument);
    if ((t.signals_pending.load(std::memory_order_relaxed) & bits) != 0)
      pending::drop(t.signal_queue, t.signals_pending, bits);
  };
  thread::for_each_alive(drop_in, &unwanted);
}

}  // namespace

kernel_action action_of(int number) {
  entry& e = table[number];
  for (;;) {
    uint32_t version = e.version.load(std::memory_order_acquire);
    kernel_action a = e.forms[version & 1];
    std::atomic_thread_fence(std::memory_order_acquire);
    // Only the change after next writes what we have read.
    if (e.version.load(std::memory_order_relaxed) == version) return a;
  }
}

bool is_ignored(const kernel_action& a, int number) {
  if (a.handler == reinterpret_cast<void*>(SIG_IGN)) return true;
  bool by_default =
      number == SIGCHLD || number == SIGURG || number == SIGWINCH || number == SIGCONT;
  return by_default && !a.handled();
}

void reset_action(int number) {
  kernel_action a = action_of(number);
  a.handler = reinterpret_cast<void*>(SIG_DFL);
  a.flags &= ~static_cast<unsigned long>(SA_SIGINFO);
  store(number, a);
  install(number, a);
}

int action(int number, const kernel_action* fresh, kernel_action* old) {
  if (!valid(number) || number == 32 || number == internal_signal) return -EINVAL;
  bool settable = (signal_bit(number) & not_ours) == 0;
  if (!settable) return static_cast<int>(raw::action(number, fresh, old));
  lock_guard guard(mutex);
  kernel_action before = action_of(number);
  if (fresh != nullptr) {
    kernel_action a = *fresh;
    a.mask &= ~(signal_bit(SIGKILL) | signal_bit(SIGSTOP));
    store(number, a);
    install(number, a);
    if (is_ignored(a, number)) drop_pending(signal_bit(number));
  }
  if (old != nullptr) *old = before;
  return 0;
}

bool announce_children(bool stops_too) {
  lock_guard guard(mutex);
  kernel_action a = action_of(SIGCHLD);
  if (a.handler == reinterpret_cast<void*>(SIG_IGN)) return false;
  if (stops_too && (a.flags & SA_NOCLDSTOP) != 0) return false;
  if ((common_mask.load(std::memory_order_relaxed) & signal_bit(SIGCHLD)) != 0) return false;
  if (!a.handled() && !children_announced) {
    children_announced = true;
    install(SIGCHLD, a);
  }
  return true;
}

void take_over_actions() {
  taken_over = true;
  children_announced = false;
  for (int number = 1; number <= 64; ++number) {
    if ((signal_bit(number) & not_ours) != 0) continue;
    kernel_action a{};
    if (raw::action(number, nullptr, &a) != 0) continue;
    store(number, a);
    if (wants_trampoline(number, a)) install(number, a);
  }
}

signal_set handled_signals() { return handled.load(std::memory_order_relaxed); }

bool has_taken_over() { return taken_over; }

void report_overflows_only() {
  if (taken_over) return;
  kernel_action a{};
  if (raw::action(SIGSEGV, nullptr, &a) == 0 && a.handler == reinterpret_cast<void*>(SIG_DFL))
    install(SIGSEGV, a);
}

void give_back_actions() {
  if (!taken_over) return;
  taken_over = false;
  for (int number = 1; number <= 64; ++number) {
    if ((signal_bit(number) & not_ours) != 0) continue;
    kernel_action a = action_of(number);
    if (!wants_trampoline(number, a)) continue;
    if (a.restorer == nullptr) {
      a.restorer = signal_restorer();
      a.flags |= flag_restorer;
    }
    raw::action(number, &a, nullptr);
  }
}

}  // namespace vervet::signals
