// The parking lot: sleep on an address, wake who sleeps on it. Futex, in user space, for fibers and
// OS threads alike. Everything with an address and no descriptor waits here.
//
// Thread safety: all calls from any thread. Fairness: first in, first out per address.
#pragma once

#include <atomic>
#include <stdint.h>

#include <type_traits>

#include "runtime/door_export.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/parker.h"

namespace vervet::lot {

// A non-owning reference to a callable, alive for the duration of the call it is passed to.
class call_ref {
 public:
  call_ref() = default;
  template <typename F>
  call_ref(F&& callable)  // NOLINT: implicit, so that a lambda can be passed
      : object_(const_cast<void*>(static_cast<const void*>(&callable))),
        call_([](void* object) -> bool { return (*static_cast<std::remove_reference_t<F>*>(object))(); }) {}
  explicit operator bool() const { return call_ != nullptr; }
  bool operator()() const { return call_(object_); }

 private:
  void* object_ = nullptr;
  bool (*call_)(void*) = nullptr;
};

enum class outcome : uint8_t {
  unparked,     // an unpark chose us
  invalid,      // validate() said no: we never slept
  timed_out,    // `until` passed
  interrupted,  // a signal handler or a cancellation is due; it has not run yet
  cut,          // a scope is due, or a kill (scope.h)
  deadlock,     // told of one (deadlock.h)
};

outcome outcome_of(wake_reason reason);
// What the API returns for it: ETIMEDOUT, ECANCELED, EDEADLK; 0 for the rest.
int error_of(outcome o);

struct request {
  const void* address;
  wait_for what = wait_for::other;
  deadline until = never;
  uint32_t bits = ~0u;       // a wake must share a bit with it (FUTEX_WAIT_BITSET)
  bool ahead = false;        // stand before those who came earlier
  wait_class interruptible = wait_class::signals;  // cancellable: a cancellation point
  // Called with the address's bucket locked, when a waker that comes after us would find us.
  // False: do not sleep. It must not park, allocate or call the program.
  call_ref validate = {};
  // Called after that with no lock held, just before sleeping (a condition variable unlocks its mutex).
  // False: do not sleep after all. The outcome is invalid, or unparked if a waker had chosen us by then.
  call_ref before_sleep = {};
};

// Sleeps on an address. The caller is in no queue when it returns. errno is kept.
VERVET_DOOR outcome park(const request& r);

// Wakes up to `count` sleepers that share a bit with `bits`. Returns how many.
VERVET_DOOR unsigned unpark(const void* address, unsigned count, uint32_t bits = ~0u);

// Wakes the first sleeper. Returns its bits, or 0 if nobody slept.
VERVET_DOOR uint32_t unpark_first(const void* address);

// FUTEX_CMP_REQUEUE: wakes `wake_count` of `from`, moves `move_count` more to `to`, if `validate` (called
// with both buckets locked) agrees. Returns the number woken plus moved, or -1 if it did not agree.
VERVET_DOOR long requeue(const void* from, const void* to, unsigned wake_count, unsigned move_count,
                         call_ref validate);

// False if certainly nobody sleeps on `address`. One load. Ordered after the caller's preceding
// locked instruction (x86: an unlock is one), which is what makes unlock-then-look lose no wake.
VERVET_DOOR bool maybe_waited_on(const void* address);

// In a forked child: nobody sleeps any more.
void forget_all();
// fork: no thread is inside the lot while all its locks are held.
void acquire_all();
void release_all();

}  // namespace vervet::lot
