// Signals for full fibers: what the kernel sees, what a fiber sees, and how one becomes the other.
//
// The model is the kernel's own, one level up. There is a list of signals pending for the process
// and one per fiber; a fiber takes from its own list first, then from the process's, what its mask
// permits. Choosing a target only means telling a fiber to look. Who looks first takes the signal;
// a fiber that ends or blocks the signal before it looked passes the duty on.
//
// What the kernel sees. While the runtime is awake every signal that the program handles has our
// trampoline in the kernel; SIG_DFL and SIG_IGN are the kernel's own business. The carrier on the
// main kernel thread receives the process's signals, as the main thread does natively, and alone,
// so that they come in order. It blocks a signal if every living fiber blocks it: so default
// actions and sigpending() stay the kernel's. The other carriers block what is not a fault. SIGPIPE
// and SIGXFSZ, which the kernel directs at the calling thread, follow the fiber that runs. Signals
// 32 and 33 are never blocked and never given to the program.
//
// The trampoline runs with every signal blocked, on any kernel thread and any thread pointer.
// A synchronous fault runs the program's handler at once. If the interrupted identity is a fiber in
// the program's code (in_runtime == 0), no lock of ours is held by this thread: it enters the
// runtime, files the signal, picks the target and, if that is the interrupted fiber, runs the
// handler right there, with the carrier's mask back in the kernel. Otherwise it only files the
// signal in a lock-free ring and kicks the scheduler: the interrupted thread empties the ring when
// it leaves the runtime or reaches its scheduler loop.
//
// Races, and how each is closed:
//
// Signal against sleep. The teller marks fiber::interrupts, then ends the wait; the sleeper arms,
// then looks at the mark. One of the two sees the other.
//
// Signal against a fiber that computes on another carrier. It is marked first, then its carrier's
// kernel thread is poked with signal 33, whose handler looks at the fiber it finds. If that is
// another one by now, the marked fiber has been through the runtime and has looked, or will look
// before it sleeps.
//
// Signal against sigprocmask(). A signal must not act once a call that blocks it everywhere has
// returned. A caller on another carrier therefore waits until the receiving one has adopted the
// mask; signal 33 makes it, by replacing the mask that the interrupted code goes on with. One that
// is unblocked must have acted: the caller takes what the kernel has pending before others may.
//
// Handler against migration. A handler may park and continue on another carrier. Before the
// trampoline returns it gives the frame the mask and alternate stack of the carrier it is on then.
//
// Handler against longjmp. While a handler runs nothing is held, in_runtime is 0 and the kernel's
// mask is the carrier's: jumping out needs nothing but the fiber's mask, which siglongjmp restores.
//
// Handler against fork: see fork.h.
#pragma once

#include <atomic>
#include <signal.h>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/fiber.h"
#include "runtime/interrupt.h"
#include "runtime/scheduler.h"
#include "runtime/signal_frame.h"
#include "runtime/signal_queue.h"

namespace vervet {

// ---- for the scheduler

// The runtime wakes on the thread that becomes the main fiber: takes over the program's actions and
// the thread's mask and alternate stack. REQUIRES: called on it, after it became a fiber.
void signals_wake(fiber& main);

// A carrier starts, on its own kernel thread, before it runs a fiber: adopts the mask and sets
// own_alternate_stack (filled in by the caller) as its alternate stack. Where signals_wake() was
// not called (a program that uses the library directly), the kernel delivers signals and only the
// overflow of stacks is reported.
void carrier_signals_start(carrier& c);

// True if the trampoline caught something that waits for signals_dispatch(): one load.
// (deferred_work is more than that: it also counts fibers that were told to look and have not done
// so yet.)
inline bool signals_caught() { return caught_count.load(std::memory_order_seq_cst) != 0; }

// Picks targets for what was caught and tells them. Inside the runtime, no lock held. For the
// scheduler loop, when signals_caught().
void signals_dispatch();

// Before the workers start, in plain library use: their kernel threads block these from the beginning,
// as the first fiber will.
void signals_blocked_at_start(uint64_t mask);

// The accounting of masks: `f` begins to live with the mask in f.thread.signal_mask, or has ended.
void fiber_mask_started(fiber& f);
void fiber_mask_ended(fiber& f);

// What every living fiber blocks.
extern std::atomic<signal_set> common_mask;
// True once some fiber has set an alternate stack.
extern std::atomic<bool> alternate_stacks_used;
inline constexpr signal_set follows_fiber = signal_bit(SIGPIPE) | signal_bit(SIGXFSZ);

void adopt_kernel_state_slow(carrier& c, fiber& f);

// Gives the carrier `c`, the caller, the kernel state that `f` needs. Before each run of `f`.
inline bool kernel_state_fits(const carrier& c, const fiber& f) {
  signal_set mask = f.thread.signal_mask.load(std::memory_order_relaxed) & follows_fiber;
  mask |= c.base_mask->load(std::memory_order_relaxed) & ~follows_fiber;
  return mask == c.kernel_mask && !alternate_stacks_used.load(std::memory_order_relaxed);
}
inline void adopt_kernel_state(carrier& c, fiber& f) {
  if (!kernel_state_fits(c, f)) [[unlikely]]
    adopt_kernel_state_slow(c, f);
}

// Something that is not ours has set the mask of the calling kernel thread, on which `c` runs `f`.
void restore_kernel_mask(carrier& c, fiber& f);

// ---- for the wrappers

// All inside one runtime_scope; `self` is the caller's full fiber. Results are 0 or negated error
// numbers.
namespace signals {

// The program's action for a signal, while the runtime is awake. Any thread.
VERVET_DOOR int action(int number, const kernel_action* fresh, kernel_action* old);

VERVET_DOOR void set_mask(fiber& self, signal_set mask);
// Signals blocked by the caller that wait for it or for the process.
VERVET_DOOR signal_set pending_for(fiber& self);
VERVET_DOOR int alternate_stack(fiber& self, const stack_t* fresh, stack_t* old);

// Directs a signal at a fiber. If it is the caller and the signal is not blocked, its handler runs
// before the wrapper's scope is left.
VERVET_DOOR int send_to(fiber& target, const siginfo_t& info);
// Sends one to this process as kill() does.
VERVET_DOOR int send_to_process(const siginfo_t& info);

// Waits until one of `set` can be taken. Its number, -EAGAIN at the deadline, or -EINTR after a
// handler ran. A cancellation point.
VERVET_DOOR int await(fiber& self, signal_set set, siginfo_t* info, deadline until);
// Waits, with `mask`, until a handler ran; restores the mask. A cancellation point.
VERVET_DOOR void suspend(fiber& self, signal_set mask);

// Bumped and unparked whenever a child's state may have changed, as far as signals tell.
VERVET_DOOR extern std::atomic<uint32_t> child_events;
// Has the kernel announce children also where the program has not asked for it. False if it will
// not tell of every change (the signal is ignored or blocked, or stops are not announced).
VERVET_DOOR bool announce_children(bool stops_too);

// What the program may conclude from what it just learned (a child has ended) is that a signal sent
// before has been handled: takes it from the receiving carrier, which may be late.
VERVET_DOOR void catch_up(fiber& self);

// Between the two the calling kernel thread has the very mask of the fiber, for what inherits it
// (exec, a spawned process). The fiber stays on its carrier meanwhile.
VERVET_DOOR void expose_mask(fiber& self);
VERVET_DOOR void hide_mask(fiber& self);

}  // namespace signals

// ---- for fork

// From the one to the other, or to signals_dormant() in the child, no handler runs on the calling
// kernel thread. Any thread, once at a time on each.
void signals_before_fork();
void signals_after_fork();
// In the child: the program's actions, and the mask and the alternate stack of the surviving fiber
// (null if a thread that is no fiber forked), go back to the kernel.
void signals_dormant(fiber* survivor);

}  // namespace vervet
