// pthread_mutex_*: libc's trylock and unlock on the real object; fibers wait in the lot.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// Bits of glibc's __data.__kind.
constexpr int type_bits = 127;
constexpr int priority_inherit = 32;
constexpr int process_shared = 128;  // set for robust mutexes as well

// The kernel does not know the ids that fibers own mutexes by, so its part of the PI protocol,
// which starts at the owner's id, is closed to OS threads too.
bool waits_in_lot(const pthread_mutex_t& m) {
  if (on_fiber()) return true;
  return (m.__data.__kind & priority_inherit) != 0 && sync::may_park();
}

// Where lock says EDEADLK, trylock says EBUSY. The other checking kinds are told apart by trylock
// itself.
bool held_by_caller_and_checked(const pthread_mutex_t& m) {
  if ((m.__data.__kind & type_bits) != PTHREAD_MUTEX_ERRORCHECK_NP) return false;
  fiber* self = thread::self();
  return self != nullptr && static_cast<uint32_t>(m.__data.__owner) == thread::self_id(*self);
}

// libc's trylock keeps a mutex locked that it finds not recoverable; its lock does not.
int refuse_unrecoverable(pthread_mutex_t* m) {
  int word = __atomic_exchange_n(&m->__data.__lock, 0, __ATOMIC_SEQ_CST);
  if ((static_cast<uint32_t>(word) & FUTEX_WAITERS) != 0)
    sys::call(SYS_futex, sys::word(&m->__data.__lock), FUTEX_WAKE, 1);
  // Nobody will unlock it any more: the news has to reach every waiter.
  lot::unpark(m, UINT32_MAX);
  return ENOTRECOVERABLE;
}

[[gnu::noinline]] int wait_for_mutex(pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  if (held_by_caller_and_checked(*m)) return EDEADLK;
  if (until != nullptr && !sync::valid(*until)) return EINVAL;
  runtime_scope scope;
  sync::wait_request wait{
      .address = m,
      .what = wait_for::mutex,
      .until = until == nullptr ? never : sync::deadline_of(clock, *until),
      .shared = (m->__data.__kind & process_shared) != 0,
  };
  int result = sync::take(wait, [m] { return real().pthread_mutex_trylock(m); });
  return result == ENOTRECOVERABLE ? refuse_unrecoverable(m) : result;
}

// After a first try.
inline int finish_lock(int result, pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  if (result == 0) [[likely]]
    return 0;
  if (result == EBUSY) return wait_for_mutex(m, clock, until);
  return result == ENOTRECOVERABLE ? refuse_unrecoverable(m) : result;
}

}  // namespace

namespace sync {

int lock_mutex(pthread_mutex_t* m) {
  if (!waits_in_lot(*m)) return real().pthread_mutex_lock(m);
  return finish_lock(real().pthread_mutex_trylock(m), m, CLOCK_REALTIME, nullptr);
}

int lock_mutex_until(pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  if (!waits_in_lot(*m)) return real().pthread_mutex_clocklock(m, clock, until);
  if (!supported(clock)) return EINVAL;
  return finish_lock(real().pthread_mutex_trylock(m), m, clock, until);
}

int unlock_mutex(pthread_mutex_t* m) {
  int result = real().pthread_mutex_unlock(m);
  if (result == 0 && !dormant()) wake_one(m);
  return result;
}

}  // namespace sync
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_mutex_lock(pthread_mutex_t* m) { return sync::lock_mutex(m); }

EXPORT
int pthread_mutex_trylock(pthread_mutex_t* m) { return real().pthread_mutex_trylock(m); }

EXPORT
int pthread_mutex_unlock(pthread_mutex_t* m) { return sync::unlock_mutex(m); }

EXPORT
int pthread_mutex_timedlock(pthread_mutex_t* m, const timespec* until) {
  return sync::lock_mutex_until(m, CLOCK_REALTIME, until);
}

EXPORT
int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  return sync::lock_mutex_until(m, clock, until);
}
