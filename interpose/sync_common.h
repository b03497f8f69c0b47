// What the synchronisation wrappers share: sleeping until something can be taken, and waking who
// may take it now.
//
// Every lock here is libc's own object, taken and given back by libc's own try and unlock calls;
// only the waiting is ours. A waiter is visible in the lot before its last try, and whoever gives
// back does so with a locked instruction before it looks at the lot: one of the two sees the other.
#pragma once

#include <stdint.h>

#include "interpose/dormant.h"
#include "interpose/real.h"
#include "runtime/door.h"

namespace vervet::interpose::sync {

// Sleepers are chosen by these bits. A waiter that has lost to barging threads for longer than
// `fair_after` is starved: it goes first, and whoever wakes it lets it run before it goes on.
inline constexpr uint32_t ordinary_waiter = 1;
inline constexpr uint32_t starved_waiter = 2;
inline constexpr uint32_t reader_waiter =
    4;  // of an rwlock: never starved, as all readers are woken
inline constexpr int64_t fair_after = 1'000'000;

// What a signal handler that ran during the wait does to it.
enum class after_handler : uint8_t {
  go_on,    // nothing: mutexes, rwlocks
  restart,  // EINTR unless it was installed with SA_RESTART
  fail,     // always EINTR: the kernel does not restart waits with a timeout
};

// A wait, apart from what is tried.
struct wait_request {
  const void* address;
  wait_for what;
  deadline until = never;
  uint32_t bits = ordinary_waiter;
  after_handler handlers = after_handler::go_on;
  bool cancellable = false;  // a cancellation point, and can be cut
  bool shared = false;  // another process may give it back: look again every now and then
};

// How long a wait for another process's doings goes without looking itself: short at first, because
// locks are mostly held briefly.
inline constexpr int64_t first_shared_slice = 100'000;
inline constexpr int64_t shared_slice = 10'000'000;

// The sleeps that make up one wait: a single one, unless another process may end it.
class slices {
 public:
  slices(deadline until, bool shared) : until_(until), shared_(shared) {}
  // The end of the next sleep.
  deadline next() {
    end_ = until_;
    if (!shared_) return end_;
    deadline look = after(length_);
    length_ = length_ * 2 < shared_slice ? length_ * 2 : shared_slice;
    if (look < until_) end_ = look;
    return end_;
  }
  // True if the whole wait ends with that sleep.
  bool last() const { return end_ == until_; }

 private:
  deadline until_;
  deadline end_ = never;
  int64_t length_ = first_shared_slice;
  bool shared_;
};

// True if the caller may sleep in the lot: fibers, and OS threads once the runtime is awake. Inside
// the runtime (an allocator that it calls, say) libc's own waiting must do.
inline bool may_park() { return !dormant() && self_state.in_runtime == 0; }

// Sleeps while busy() says true, which it decides under the lot's lock. Returns 0 once it said no,
// else ETIMEDOUT, EINTR, or, if it is cancellable, ECANCELED. REQUIRES: may_park() held, and exactly one runtime_scope was opened
// since.
int sleep_while(const wait_request& r, lot::call_ref busy);

// Sleeps until attempt() returns something other than EBUSY; returns that, or ETIMEDOUT or EINTR.
template <typename Attempt>
int take(const wait_request& r, Attempt attempt) {
  int result = EBUSY;
  int ended = sleep_while(r, [&] {
    result = attempt();
    return result == EBUSY;
  });
  return ended != 0 ? ended : result;
}

// Something at `address` was given back, by the caller's preceding locked instruction: wakes one
// waiter. The object may be gone already. If the waiter is starved, a calling fiber yields to it.
void wake_one_slow(const void* address);
inline void wake_one(const void* address) {
  if (lot::maybe_waited_on(address)) [[unlikely]]
    wake_one_slow(address);
}

// What the caller is noted as where a lock has an owner: a light fiber's own id, or its thread's.
uint32_t owner_id();

// The caller's fiber goes to the end of the queue; no effect on threads that are not ours.
void yield_fiber();

inline bool valid(const timespec& t) { return t.tv_nsec >= 0 && t.tv_nsec < 1'000'000'000; }
inline bool supported(clockid_t clock) {
  return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}

// The deadline of an absolute timeout that is valid().
inline deadline deadline_of(clockid_t clock, const timespec& t) {
  return t.tv_sec < 0 ? at_once : deadline_at(clock, t);
}

// Wrappers of one family call each other by these, not by the exported names, which another library
// may have replaced once more.
int lock_mutex(pthread_mutex_t* mutex);
int try_lock_mutex(pthread_mutex_t* mutex);
int unlock_mutex(pthread_mutex_t* mutex);
// `until` is not looked at if there is nothing to wait for.
int lock_mutex_until(pthread_mutex_t* mutex, clockid_t clock, const timespec* until);
int wait_for_condition(pthread_cond_t* condition, pthread_mutex_t* mutex);
int wait_for_condition_until(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                             const timespec& until);
clockid_t clock_of(const pthread_cond_t& condition);
int signal_condition(pthread_cond_t* condition);
int broadcast_condition(pthread_cond_t* condition);
void run_once(int* control, void (*routine)());
int create_key(pthread_key_t* key, void (*destructor)(void*));
void delete_key_record(pthread_key_t key);

}  // namespace vervet::interpose::sync
