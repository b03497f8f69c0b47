// Delivery: from the kernel or a sender to the lists, and telling a fiber to look.
#include "runtime/signal.h"

#include <errno.h>

#include "runtime/kernel_threads.h"
#include "runtime/parking_lot.h"
#include "runtime/signal_internal.h"
#include "runtime/thread.h"
#include "runtime/thread_internal.h"
#include "runtime/thread_state.h"
#include "runtime/worker.h"

namespace vervet {

std::atomic<uint32_t> deferred_work{0};

namespace signals {

lock mutex;
signal_list process_queue;
std::atomic<signal_set> process_pending{0};
std::atomic<uint32_t> child_events{0};

bool takes(const fiber& f, int number) {
  const thread_part& t = f.thread;
  signal_set refused = t.signal_mask.load(std::memory_order_seq_cst) &
                       ~t.signals_awaited.load(std::memory_order_seq_cst);
  return t.signals_open && (refused & signal_bit(number)) == 0;
}

namespace {

carrier* running_on(fiber& f) {
  carrier* c = std::atomic_ref(f.on).load(std::memory_order_relaxed);
  if (c == nullptr || c->running.load(std::memory_order_relaxed) != &f)
    return nullptr;
  return c;
}

// Not queued behind others: it runs, or sleeps and can be woken.
bool is_prompt(fiber& f) {
  park_state state = parker::state_of(f.word.load(std::memory_order_acquire));
  return state == park_state::armed || state == park_state::asleep || running_on(f) != nullptr;
}

fiber* choose(int number, fiber* first, fiber* second) {
  fiber* main = thread::main_fiber();
  bool main_takes = main != nullptr && takes(*main, number);
  if (first != nullptr && takes(*first, number)) return first;
  if (main_takes && is_prompt(*main)) return main;
  if (second != nullptr && takes(*second, number)) return second;
  if (main_takes) return main;
  struct search {
    int number;
    fiber* found;
  } s{number, nullptr};
  auto visit = [](fiber& f, void* argument) {
    auto* wanted = static_cast<search*>(argument);
    if (wanted->found == nullptr && takes(f, wanted->number)) wanted->found = &f;
  };
  thread::for_each_alive(visit, &s);
  return s.found;
}

// A fiber that is awake looks when it next leaves the runtime: its wrappers must notice.
void count_as_told(fiber& f) {
  if ((f.interrupts.fetch_or(interrupt_counted, std::memory_order_seq_cst) & interrupt_counted) ==
      0)
    deferred_work.fetch_add(1, std::memory_order_seq_cst);
}

// A fiber that computes looks when its kernel thread is interrupted. A system call that it may be
// in is restarted, or fails, as the program asked for that signal.
void poke(carrier& c, int number) {
  bool restarts = (action_of(number).flags & SA_RESTART) != 0;
  ask_kernel_thread(c.kernel_tid, kernel_thread_request::look, restarts);
}

}  // namespace

void tell(fiber& f, int number) {
  uint32_t before = f.interrupts.fetch_or(interrupt_signal, std::memory_order_seq_cst);
  if ((before & interrupt_signal) != 0) return;
  if (interrupt(f, interrupt_signal)) return;
  count_as_told(f);
  // A carrier that turns to the fiber just now is seen with it, or the fiber sees that it was told.
  barrier_on_every_cpu();
  carrier* c = running_on(f);
  if (c != nullptr && self_state.host != &f) poke(*c, number);
}

namespace {

// The default action is the kernel's. The signal may be blocked for the moment, in the trampoline.
void default_action(int number) {
  kernel_action a{};
  raw::action(number, &a, nullptr);
  sys::call(SYS_kill, sys::getpid(), number);
}

}  // namespace

void heard(fiber& f) {
  uint32_t before =
      f.interrupts.fetch_and(~(interrupt_signal | interrupt_counted), std::memory_order_seq_cst);
  if ((before & interrupt_counted) != 0) deferred_work.fetch_sub(1, std::memory_order_relaxed);
}

void retarget(fiber* first, fiber* second) {
  signal_set left = process_pending.load(std::memory_order_relaxed);
  for (; left != 0; left &= left - 1) {
    int number = __builtin_ctzl(left) + 1;
    if (fiber* f = choose(number, first, second)) tell(*f, number);
  }
}

namespace {

void announce_child_event() {
  child_events.fetch_add(1, std::memory_order_seq_cst);
  lot::unpark(&child_events, ~0u);
}

}  // namespace

bool file(fiber* target, const siginfo_t& info) {
  if (info.si_signo == SIGCHLD) announce_child_event();
  if (target == nullptr) return pending::add(process_queue, process_pending, info);
  return pending::add(target->thread.signal_queue, target->thread.signals_pending, info);
}

void act_without_handler(const kernel_action& a, int number) {
  if (!is_ignored(a, number)) default_action(number);
}

void file_caught(const siginfo_t& info, fiber* target) {
  int number = info.si_signo;
  kernel_action a = action_of(number);
  bool kept = a.handled();
  if (!kept) {
    fiber* taker = target != nullptr ? target : choose(number, nullptr, nullptr);
    kept = taker != nullptr && (taker->thread.signals_awaited.load(std::memory_order_relaxed) &
                                signal_bit(number)) != 0;
  }
  if (kept) {
    file(target, info);
    return;
  }
  if (number == SIGCHLD) announce_child_event();
  act_without_handler(a, number);
}

void dispatch(fiber* first, fiber* second) {
  caught_signal caught;
  while (take_caught(caught)) {
    deferred_work.fetch_sub(1, std::memory_order_relaxed);
    fiber* target = caught.fiber_id == 0 ? nullptr : thread::by_id(caught.fiber_id);
    if (target != nullptr && !target->thread.signals_open) target = nullptr;
    file_caught(caught.info, target);
    if (target != nullptr && takes(*target, caught.info.si_signo))
      tell(*target, caught.info.si_signo);
  }
  if (process_pending.load(std::memory_order_relaxed) != 0) retarget(first, second);
}

void recheck(fiber& self) {
  signal_set allowed = ~mask_of(self).load(std::memory_order_relaxed);
  if ((self.thread.signals_pending.load(std::memory_order_relaxed) & allowed) != 0) tell(self, 0);
  if (process_pending.load(std::memory_order_relaxed) != 0) retarget(&self, nullptr);
}

namespace {

// The default action on the caller, before it goes on.
void default_action_here(int number) {
  signal_set before = raw::set_mask(~signal_bit(number) & ~unblockable);
  kernel_action a{};
  raw::action(number, &a, nullptr);
  sys::call(SYS_tgkill, sys::getpid(), sys::gettid(), number);
  raw::set_mask(before);
}

}  // namespace

int send_to(fiber& target, const siginfo_t& info) {
  int number = info.si_signo;
  lock_guard guard(mutex);
  if (!target.thread.signals_open) return 0;
  kernel_action a = action_of(number);
  signal_set bit = signal_bit(number);
  bool blocked = (mask_of(target).load(std::memory_order_relaxed) & bit) != 0;
  bool awaited = (target.thread.signals_awaited.load(std::memory_order_relaxed) & bit) != 0;
  if (!a.handled() && !blocked && !awaited) {
    if (is_ignored(a, number)) return 0;
    if (&target == self_state.host)
      default_action_here(number);
    else
      default_action(number);
    return 0;
  }
  if (!file(&target, info)) return -EAGAIN;
  if (takes(target, number)) tell(target, number);
  return 0;
}

int send_to_process(const siginfo_t& info) {
  int number = info.si_signo;
  if (valid(number)) {
    lock_guard guard(mutex);
    if (action_of(number).handled() && choose(number, nullptr, nullptr) != nullptr) {
      if (!file(nullptr, info)) return -EAGAIN;
      retarget(nullptr, self_state.host);
      return 0;
    }
  }
  if (info.si_code == SI_USER) return static_cast<int>(sys::call(SYS_kill, sys::getpid(), number));
  return static_cast<int>(sys::call(SYS_rt_sigqueueinfo, sys::getpid(), number, sys::word(&info)));
}

}  // namespace signals

void signals_wake(fiber& main) {
  signals::mask_of(main).store(raw::mask(), std::memory_order_relaxed);
  stack_t stack;
  if (sys::call(SYS_sigaltstack, 0, sys::word(&stack)) == 0) {
    main.thread.alternate_stack = stack;
    if ((stack.ss_flags & SS_DISABLE) == 0)
      alternate_stacks_used.store(true, std::memory_order_relaxed);
  }
  fiber_mask_started(main);
  signals::take_over_actions();
}

void signals_dispatch() {
  lock_guard guard(signals::mutex);
  signals::dispatch(nullptr, nullptr);
}

}  // namespace vervet
