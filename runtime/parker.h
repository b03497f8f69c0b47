// A parker is whoever sleeps and is woken: a fiber, or an OS thread that is not ours. (Or a watcher,
// which is called back.)
//
// One wait is one epoch. The sleeper arms it, links itself wherever a wake may come from (a lot, a
// descriptor, a timer), and sleeps. Wakers race with one compare-and-swap on `word`: exactly one
// wins, the others find a stale epoch and stay away. A fiber that is woken between arming and the
// moment its context is saved is not run by the waker: whoever commits the switch sees the word and
// makes it runnable. So no lock is held across a switch, and a fiber is never run on an unsaved stack.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/door_export.h"

namespace vervet {

struct fiber;

enum class wake_reason : uint8_t {
  none,         // not woken
  ready,        // what it waited for came
  timed_out,    // its deadline passed
  closed,       // the descriptor it waited on was closed
  interrupted,  // a signal or a cancellation request wants to be looked at
  cut,          // a scope around the wait is due, or the fiber was killed (scope.h)
  deadlock,     // told that it would never end (deadlock.h)
};

// What a fiber waits for; counted by --stats.
enum class wait_for : uint8_t {
  readable, writable, poll, mutex, condition, rwlock, semaphore, barrier, once, futex, join, sleep,
  signal, process, offload, other, count_,
};

enum class park_state : uint8_t {
  awake,   // running or runnable
  armed,   // about to sleep, or asleep on an unsaved stack: a waker only marks it
  asleep,  // saved: a waker makes it runnable
  woken,   // a waker won
};

// Which interruptions end a wait (bits as in fiber::interrupts).
enum class wait_class : uint8_t {
  uninterruptible = 0,
  signals = 1,       // a signal handler that is due ends it (with wake_reason::interrupted)
  cancellable = 3,   // and so does a cancellation: a cancellation point
  scopes = 16,       // a bit: a scope that is due ends it
  api = 17,          // signals and scopes
  fallible = 19,     // all of them: a libc call that can fail
};
inline constexpr uint32_t interrupt_signal = 1;
inline constexpr uint32_t interrupt_cancel = 2;

enum class sleeper_kind : uint8_t {
  os_thread,  // sleeps on the low half of `word`
  fiber,
  watcher,    // does not sleep: its hub calls back (watcher.h)
};

// Invariant: the epoch in `word` only grows, also when the memory is recycled for another fiber.
struct parker {
  std::atomic<uint64_t> word{0};
  sleeper_kind kind_of_sleeper = sleeper_kind::os_thread;
  std::atomic<wait_class> present{wait_class::uninterruptible};

  static constexpr uint64_t pack(uint64_t epoch, wake_reason reason, park_state state) {
    return epoch << 8 | static_cast<uint64_t>(reason) << 4 | static_cast<uint64_t>(state);
  }
  static park_state state_of(uint64_t w) { return static_cast<park_state>(w & 15); }
  static wake_reason reason_of(uint64_t w) { return static_cast<wake_reason>(w >> 4 & 15); }
  static uint64_t epoch_of(uint64_t w) { return w >> 8; }

  // That of the wait that the sleeper begins next.
  uint64_t next_epoch() const { return epoch_of(word.load(std::memory_order_relaxed)) + 1; }

  // Begins a wait; returns its epoch. Only by the sleeper itself.
  uint64_t arm(wait_class interruptible) {
    present.store(interruptible, std::memory_order_relaxed);
    uint64_t epoch = next_epoch();
    word.store(pack(epoch, wake_reason::none, park_state::armed), std::memory_order_seq_cst);
    return epoch;
  }

  // The same for a light fiber, which has committed with that: who wakes it puts it into its hub's queue, and
  // that is not looked at before it has left. light_hub::park_here() or retract_here() must follow.
  // `among_flows`: only flows of that hub are there to wake it.
  uint64_t arm_here(wait_class interruptible, bool among_flows = false) {
    present.store(interruptible, std::memory_order_relaxed);
    uint64_t epoch = next_epoch();
    uint64_t asleep = pack(epoch, wake_reason::none, park_state::asleep);
    // (An order that is not constant would be the strongest one.)
    if (among_flows)
      word.store(asleep, std::memory_order_relaxed);
    else
      word.store(asleep, std::memory_order_seq_cst);
    return epoch;
  }

  // The wait is over; returns why. Only by the sleeper itself.
  wake_reason finish_wait() {
    uint64_t ended = word.load(std::memory_order_acquire);
    word.store(pack(epoch_of(ended), wake_reason::none, park_state::awake),
               std::memory_order_release);
    return reason_of(ended);
  }
};

// Tries to end the wait `epoch` of `who`. Returns true if this call is the one that ended it.
// May be called from any thread, with the lock of the list that held the waiter (and that lock is
// what keeps an OS thread's parker alive).
VERVET_DOOR bool wake(parker& who, uint64_t epoch, wake_reason reason);

// Ends whatever wait `who` is in with `reason`, if its class accepts `interrupt` (interrupt_signal,
// interrupt_cancel, or a bit of wait_class). The caller has marked fiber::interrupts before, and keeps
// `who` alive. Returns false if it was awake or does not accept.
VERVET_DOOR bool interrupt(parker& who, uint32_t interrupt,
                           wake_reason reason = wake_reason::interrupted);

// The caller's own parker: its fiber, or the OS thread's.
VERVET_DOOR parker& self_parker();

// Sleeps in the armed wait until it is ended or `until` passes (which ends it with timed_out), and
// returns the reason. Afterwards the wait is over; the caller unlinks itself from what it had joined.
// Returns `interrupted` without sleeping if an interruption that the wait accepts is due already.
VERVET_DOOR wake_reason park(parker& self, wait_for what, deadline until);

// Gives up the armed wait without sleeping. Returns the reason if a waker had won, else none.
VERVET_DOOR wake_reason disarm(parker& self);

}  // namespace vervet
