// pthread_mutex_*: libc's trylock and unlock on the real object; fibers wait in the lot.
//
// Recursive and checking mutexes belong to a flow, and light fibers share the id that libc would note as
// the owner. So theirs are taken and given back here, by libc's protocol and in its fields, with an
// id of each fiber's own. Robust and priority-inheriting ones are not: the kernel must know the
// owner of those, so light fibers of one thread count as one there.
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

bool has_owner(const pthread_mutex_t& m) {
  constexpr unsigned first = PTHREAD_MUTEX_RECURSIVE_NP;
  static_assert(PTHREAD_MUTEX_ERRORCHECK_NP == first + 1);
  return static_cast<unsigned>(m.__data.__kind & type_bits) - first <= 1;
}

// The id by which the calling light fiber owns `m`; 0: the caller is none, or `m` has no owner, or
// it was taken when the caller was not a fiber yet.
inline uint32_t light_owner(const pthread_mutex_t& m) {
  return has_owner(m) ? thread::light_id() : 0;
}

uint32_t owner_of(const pthread_mutex_t& m) {
  return static_cast<uint32_t>(__atomic_load_n(&m.__data.__owner, __ATOMIC_RELAXED));
}

// libc's values of the lock word: free, locked, locked and perhaps waited for in libc.
constexpr int free_word = 0;
constexpr int locked = 1;

int try_lock_as(pthread_mutex_t* m, uint32_t id) {
  auto& d = m->__data;
  if (owner_of(*m) == id) {
    if ((d.__kind & type_bits) == PTHREAD_MUTEX_ERRORCHECK_NP) return EBUSY;
    if (d.__count + 1 == 0) return EAGAIN;
    ++d.__count;
    return 0;
  }
  int expected = free_word;
  if (!__atomic_compare_exchange_n(&d.__lock, &expected, locked, false, __ATOMIC_ACQUIRE,
                                   __ATOMIC_RELAXED))
    return EBUSY;
  d.__count = 1;
  __atomic_store_n(&d.__owner, static_cast<int>(id), __ATOMIC_RELAXED);
  ++d.__nusers;
  return 0;
}

int unlock_as(pthread_mutex_t* m, uint32_t id) {
  auto& d = m->__data;
  if (owner_of(*m) != id) return EPERM;
  bool recursive = (d.__kind & type_bits) == PTHREAD_MUTEX_RECURSIVE_NP;
  if (recursive && --d.__count != 0) return 0;
  int flag = (d.__kind & process_shared) != 0 ? 0 : FUTEX_PRIVATE_FLAG;
  __atomic_store_n(&d.__owner, 0, __ATOMIC_RELAXED);
  --d.__nusers;
  int word = __atomic_exchange_n(&d.__lock, free_word, __ATOMIC_SEQ_CST);
  // The mutex may be gone by now; its address is all that is needed.
  if (word > locked) sys::call(SYS_futex, sys::word(&d.__lock), FUTEX_WAKE | flag, 1);
  return 0;
}

int try_lock(pthread_mutex_t* m) {
  if (uint32_t id = light_owner(*m); id != 0) [[unlikely]]
    return try_lock_as(m, id);
  return real().pthread_mutex_trylock(m);
}

// Where lock says EDEADLK, trylock says EBUSY. The other checking kinds are told apart by trylock
// itself.
bool held_by_caller_and_checked(const pthread_mutex_t& m) {
  if ((m.__data.__kind & type_bits) != PTHREAD_MUTEX_ERRORCHECK_NP) return false;
  return owner_of(m) == sync::owner_id();
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
  int result = sync::take(wait, [m] { return try_lock(m); });
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
  return finish_lock(try_lock(m), m, CLOCK_REALTIME, nullptr);
}

int lock_mutex_until(pthread_mutex_t* m, clockid_t clock, const timespec* until) {
  if (!waits_in_lot(*m)) return real().pthread_mutex_clocklock(m, clock, until);
  if (!supported(clock)) return EINVAL;
  return finish_lock(try_lock(m), m, clock, until);
}

int try_lock_mutex(pthread_mutex_t* m) { return try_lock(m); }

int unlock_mutex(pthread_mutex_t* m) {
  uint32_t id = light_owner(*m);
  int result = id != 0 ? unlock_as(m, id) : real().pthread_mutex_unlock(m);
  if (result == 0 && !dormant()) wake_one(m);
  return result;
}

}  // namespace sync
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_mutex_lock(pthread_mutex_t* m) { return sync::lock_mutex(m); }

EXPORT
int pthread_mutex_trylock(pthread_mutex_t* m) { return sync::try_lock_mutex(m); }

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
