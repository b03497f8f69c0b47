// pthread_cond_*: waiters sleep in the lot, every thread's once the runtime is awake, because
// libc's own wait unlocks the mutex by an inner call that wakes no fiber. libc's object stays
// untouched, so it may be destroyed as soon as its waiters were woken: none of them looks at it
// again.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// glibc's __data.__wrefs: two flags, and above them how many wait inside libc.
constexpr unsigned process_shared = 1;
constexpr unsigned on_monotonic_clock = 2;
constexpr unsigned one_waiter = 8;

unsigned flags_of(const pthread_cond_t& c) {
  return __atomic_load_n(&c.__data.__wrefs, __ATOMIC_RELAXED);
}

// Threads of other processes, and those that began to wait before the runtime woke.
bool libc_may_have_waiters(unsigned flags) {
  return (flags & process_shared) != 0 || flags >= one_waiter;
}

// The caller is a thread that libc cancels, if anybody does.
bool cancelled_by_libc() { return !on_fiber() && !threads_are_fibers(); }

// How long such a thread sleeps before it looks: libc tells a cancellation only to a thread that
// sleeps in libc.
constexpr int64_t native_slice = 200'000'000;

// Acts on a cancellation that is due. The caller holds the mutex, as cleanup handlers expect.
void cancellation_point_with_mutex() {
  if (cancelled_by_libc()) return real().pthread_testcancel();
  runtime_scope scope;
  cancellation_point();
}

struct sleep_result {
  lot::outcome ended;
  int unlocked;  // what unlocking the mutex returned
};

sleep_result sleep_without_mutex(pthread_cond_t* c, pthread_mutex_t* m, deadline until) {
  runtime_scope scope;
  sleep_result result{};
  auto unlock = [&] {
    result.unlocked = sync::unlock_mutex(m);
    return result.unlocked == 0;
  };
  lot::request sleep{
      .address = c,
      .what = wait_for::condition,
      .until = until,
      .interruptible = wait_class::cancellable,
      .before_sleep = unlock,
  };
  result.ended = lot::park(sleep);
  // Handlers run while others may have the mutex, as they do natively. One that is sent before we
  // are back in the queue would be lost, so the wait ends here: spuriously, which POSIX allows.
  if (result.ended == lot::outcome::interrupted) handle_interruption(false);
  return result;
}

int park_on(pthread_cond_t* c, pthread_mutex_t* m, deadline until) {
  cancellation_point_with_mutex();
  deadline slice_end = never;
  if ((flags_of(*c) & process_shared) != 0)
    slice_end = after(sync::shared_slice);
  else if (cancelled_by_libc())
    slice_end = after(native_slice);

  sleep_result slept = sleep_without_mutex(c, m, slice_end < until ? slice_end : until);
  if (slept.unlocked != 0) {
    // We never slept, but may have been chosen.
    if (slept.ended == lot::outcome::unparked) sync::signal_condition(c);
    return slept.unlocked;
  }
  int locked = sync::lock_mutex(m);
  bool looks = slept.ended == lot::outcome::timed_out && cancelled_by_libc();
  if (slept.ended == lot::outcome::interrupted || looks) cancellation_point_with_mutex();
  if (locked != 0) return locked;
  bool in_time = slept.ended != lot::outcome::timed_out || slice_end < until;
  return in_time ? 0 : ETIMEDOUT;
}

}  // namespace

namespace sync {

clockid_t clock_of(const pthread_cond_t& c) {
  return (flags_of(c) & on_monotonic_clock) != 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

int wait_for_condition(pthread_cond_t* c, pthread_mutex_t* m) {
  if (!may_park()) return real().pthread_cond_wait(c, m);
  return park_on(c, m, never);
}

int wait_for_condition_until(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                             const timespec& until) {
  if (!may_park()) return real().pthread_cond_clockwait(c, m, clock, &until);
  if (!valid(until) || !supported(clock)) return EINVAL;
  return park_on(c, m, deadline_of(clock, until));
}

int signal_condition(pthread_cond_t* c) {
  if (dormant()) return real().pthread_cond_signal(c);
  bool libc_too = libc_may_have_waiters(flags_of(*c));
  if (lot::maybe_waited_on(c) && lot::unpark(c, 1) != 0) return 0;
  return libc_too ? real().pthread_cond_signal(c) : 0;
}

int broadcast_condition(pthread_cond_t* c) {
  if (dormant()) return real().pthread_cond_broadcast(c);
  bool libc_too = libc_may_have_waiters(flags_of(*c));
  if (lot::maybe_waited_on(c)) lot::unpark(c, UINT32_MAX);
  return libc_too ? real().pthread_cond_broadcast(c) : 0;
}

}  // namespace sync
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_cond_wait(pthread_cond_t* c, pthread_mutex_t* m) {
  return sync::wait_for_condition(c, m);
}

EXPORT
int pthread_cond_timedwait(pthread_cond_t* c, pthread_mutex_t* m, const timespec* until) {
  return sync::wait_for_condition_until(c, m, sync::clock_of(*c), *until);
}

EXPORT
int pthread_cond_clockwait(pthread_cond_t* c, pthread_mutex_t* m, clockid_t clock,
                           const timespec* until) {
  return sync::wait_for_condition_until(c, m, clock, *until);
}

EXPORT
int pthread_cond_signal(pthread_cond_t* c) { return sync::signal_condition(c); }

EXPORT
int pthread_cond_broadcast(pthread_cond_t* c) { return sync::broadcast_condition(c); }
