// Shared by the files that implement signal.h.
#pragma once

#include "runtime/lock.h"
#include "runtime/signal.h"

namespace vervet::signals {

// The signals' lock. Guards the program's actions, the lists of pending signals and the accounting
// of masks. Outermost of the runtime's locks: the list of threads, the lot, descriptors and the
// scheduler are entered while it is held, never the other way round.
extern lock mutex;

inline constexpr signal_set unblockable =
    signal_bit(SIGKILL) | signal_bit(SIGSTOP) | signal_bit(32) | signal_bit(33);
inline constexpr int internal_signal = 33;
inline constexpr bool valid(int number) { return number >= 1 && number <= 64; }

inline std::atomic<signal_set>& mask_of(fiber& f) { return f.thread.signal_mask; }

// ---- actions: signal_action.cpp

// The program's action. Lock-free, for faults; others hold the lock to see no half of a change.
kernel_action action_of(int number);
// SA_RESETHAND: the handler is about to run. REQUIRES: the lock, unless inside a synchronous fault.
void reset_action(int number);
// True if the action, or the default that it stands for, is to ignore the signal.
bool is_ignored(const kernel_action& a, int number);
// Takes over, or gives back, every action.
void take_over_actions();
bool has_taken_over();
// The signals that have handlers of the program.
signal_set handled_signals();
// Without that: only faults that the program does not handle come to us.
void report_overflows_only();
void give_back_actions();

// ---- masks: signal_mask.cpp

// The mask while a handler runs is the fiber's alone: it is not counted, or every handler would
// change the kernel's masks twice. REQUIRES: the lock.
void set_uncounted_mask(fiber& f, signal_set mask);
// Gives `f` a mask and counts it. Returns what changed in common_mask. REQUIRES: the lock.
signal_set count_mask(fiber& f, signal_set mask);
// Brings the caller's carrier to its mask and, if `changed` is not empty, the receiving one: on
// return nothing acts that is blocked. REQUIRES: the lock not held.
void settle_mask(fiber& self, signal_set changed);

// Signal 33's handler asks: brings the interrupted carrier to the mask it should have.
void adopt_in_frame(ucontext_t& frame);
// Signal 33's handler asks: has the interrupted fiber look.
void look_in_frame(ucontext_t& frame);
// Signal 33's handler asks: the interrupted fiber goes to the end of the queue, wherever its code is.
void preempt_in_frame(ucontext_t& frame);

void forget_masks();

// ---- delivery: signal.cpp

// What is pending for the process, as far as the kernel has handed it to us. REQUIRES: the lock.
extern signal_list process_queue;
extern std::atomic<signal_set> process_pending;

// True if the fiber may handle the signal, or waits for it.
bool takes(const fiber& f, int number);
// Has the fiber look: marks it first, then ends its wait or pokes its carrier. REQUIRES: the lock.
void tell(fiber& f, int number);

// Sees to it that somebody is told of everything in process_queue that somebody may take: `first`,
// then the main fiber, then `second`, then any. Both may be null. REQUIRES: the lock.
void retarget(fiber* first, fiber* second);
// Empties the ring, then retargets. REQUIRES: the lock.
void dispatch(fiber* first, fiber* second);
// The caller's mask has changed: tells it, or others, of what may be taken now. REQUIRES: the lock.
void recheck(fiber& self);

// Files a signal for a fiber (null: the process), announces children. REQUIRES: the lock.
bool file(fiber* target, const siginfo_t& info);

// The same for a signal that the kernel handed over, whatever its action is by now. REQUIRES: the
// lock.
void file_caught(const siginfo_t& info, fiber* target);

// A signal was taken whose action has no handler: the action changed meanwhile, or the kernel has
// our trampoline for a reason of our own.
void act_without_handler(const kernel_action& a, int number);

// Takes what was told back: the fiber looks now. REQUIRES: the lock.
void heard(fiber& f);

// Runs every handler that is due on the caller. `frame` is the kernel's frame if the trampoline
// asks, with all signals blocked, else null. REQUIRES: in_runtime == 1, the lock not held.
interruption run_due(fiber& self, ucontext_t* frame);

// Runs one handler. REQUIRES: as run_due, but any in_runtime.
void run_handler(fiber& self, const kernel_action& a, siginfo_t& info, ucontext_t* frame);

// A synchronous fault: signal_fault.cpp.
bool is_fault(int number, const siginfo_t& info);
bool may_fault(int number);
void on_fault(siginfo_t& info, ucontext_t& frame);
// True if the kernel took an alternate stack for this delivery.
bool on_borrowed_stack(const ucontext_t& frame);
// The trampoline, as the kernel calls it.
void on_signal(int number, siginfo_t* info, void* context);

}  // namespace vervet::signals
