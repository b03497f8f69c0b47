// pthread_rwlock_*: libc's try calls and unlock on the real object. Once the runtime is awake every
// thread waits in the lot, so libc's own waiting states occur only through other processes.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// Readers are all woken, writers one by one; a starved writer is told by its own bit.
constexpr uint32_t reader = sync::reader_waiter;
constexpr uint32_t writer = sync::ordinary_waiter;
constexpr uint32_t starved_writer = sync::starved_waiter;

using rwlock = pthread_rwlock_t;

// Writers that wait in the lot, counted in a word that glibc leaves unused (and zero), for the kind
// whose readers give way to them.
unsigned* waiting_writers(rwlock* l) { return &l->__data.__pad3; }

bool readers_give_way(const rwlock& l) {
  return l.__data.__flags == PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP && l.__data.__shared == 0;
}

int try_read(rwlock* l) {
  if (readers_give_way(*l) && __atomic_load_n(waiting_writers(l), __ATOMIC_SEQ_CST) != 0)
    return EBUSY;
  return real().pthread_rwlock_tryrdlock(l);
}

uint32_t writer_of(const rwlock& l) {
  return static_cast<uint32_t>(__atomic_load_n(&l.__data.__cur_writer, __ATOMIC_RELAXED));
}
void note_writer(rwlock* l, uint32_t id) {
  __atomic_store_n(&l->__data.__cur_writer, static_cast<int>(id), __ATOMIC_RELAXED);
}

bool written_by_caller(const rwlock& l) { return writer_of(l) == sync::owner_id(); }

// libc notes the thread as the writer, and tells by it what is unlocked; light fibers put their own
// id there meanwhile.
int try_write(rwlock* l) {
  int result = real().pthread_rwlock_trywrlock(l);
  if (result != 0) return result;
  if (uint32_t id = thread::light_id(); id != 0) [[unlikely]]
    note_writer(l, id);
  return 0;
}

int unlock_in_libc(rwlock* l) {
  uint32_t id = thread::light_id();
  if (id != 0 && writer_of(*l) == id) [[unlikely]] {
    fiber* host = thread::self();
    note_writer(l, host != nullptr ? thread::self_id(*host) : static_cast<uint32_t>(sys::gettid()));
  }
  return real().pthread_rwlock_unlock(l);
}

sync::wait_request waiting(rwlock* l, uint32_t bits, deadline until) {
  return {.address = l,
          .what = wait_for::rwlock,
          .until = until,
          .bits = bits,
          .shared = l->__data.__shared != 0};
}

[[gnu::noinline]] int wait_to_read(rwlock* l, deadline until) {
  if (written_by_caller(*l)) return EDEADLK;
  runtime_scope scope;
  return sync::take(waiting(l, reader, until), [l] { return try_read(l); });
}

void stop_waiting_to_write(rwlock* l, bool taken) {
  unsigned left = __atomic_sub_fetch(waiting_writers(l), 1, __ATOMIC_SEQ_CST);
  // A writer that gives up lets in the readers that gave way to it.
  if (left == 0 && !taken) lot::unpark(l, UINT32_MAX, reader);
}

[[gnu::noinline]] int wait_to_write(rwlock* l, deadline until) {
  if (written_by_caller(*l)) return EDEADLK;
  runtime_scope scope;
  bool announced = readers_give_way(*l);
  if (announced) __atomic_add_fetch(waiting_writers(l), 1, __ATOMIC_SEQ_CST);
  int result = sync::take(waiting(l, writer, until), [l] { return try_write(l); });
  if (announced) stop_waiting_to_write(l, result == 0);
  return result;
}

int lock_to_read(rwlock* l, deadline until) {
  int result = try_read(l);
  return result != EBUSY ? result : wait_to_read(l, until);
}

int lock_to_write(rwlock* l, deadline until) {
  int result = try_write(l);
  return result != EBUSY ? result : wait_to_write(l, until);
}

// Both kinds of waiter are woken, the preferred one first; who comes second just waits again.
[[gnu::noinline]] void wake_waiters(rwlock* l, bool writers_first) {
  bool starved = lot::unpark(l, 1, starved_writer) != 0;
  if (writers_first && !starved) lot::unpark(l, 1, writer);
  lot::unpark(l, UINT32_MAX, reader);
  if (!writers_first && !starved) lot::unpark(l, 1, writer);
  if (starved) sync::yield_fiber();
}

int unlock(rwlock* l) {
  bool writers_first = l->__data.__flags != PTHREAD_RWLOCK_PREFER_READER_NP;
  int result = unlock_in_libc(l);
  if (lot::maybe_waited_on(l)) [[unlikely]]
    wake_waiters(l, writers_first);
  return result;
}

bool refused(clockid_t clock, const timespec& until) {
  return !sync::supported(clock) || !sync::valid(until);
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_rwlock_rdlock(pthread_rwlock_t* l) {
  if (!sync::may_park()) return real().pthread_rwlock_rdlock(l);
  return lock_to_read(l, vervet::never);
}

EXPORT
int pthread_rwlock_tryrdlock(pthread_rwlock_t* l) {
  if (dormant()) return real().pthread_rwlock_tryrdlock(l);
  return try_read(l);
}

EXPORT
int pthread_rwlock_timedrdlock(pthread_rwlock_t* l, const timespec* until) {
  if (!sync::may_park()) return real().pthread_rwlock_timedrdlock(l, until);
  if (refused(CLOCK_REALTIME, *until)) return EINVAL;
  return lock_to_read(l, sync::deadline_of(CLOCK_REALTIME, *until));
}

EXPORT
int pthread_rwlock_clockrdlock(pthread_rwlock_t* l, clockid_t clock, const timespec* until) {
  if (!sync::may_park()) return real().pthread_rwlock_clockrdlock(l, clock, until);
  if (refused(clock, *until)) return EINVAL;
  return lock_to_read(l, sync::deadline_of(clock, *until));
}

EXPORT
int pthread_rwlock_wrlock(pthread_rwlock_t* l) {
  if (!sync::may_park()) return real().pthread_rwlock_wrlock(l);
  return lock_to_write(l, vervet::never);
}

EXPORT
int pthread_rwlock_trywrlock(pthread_rwlock_t* l) {
  if (dormant()) return real().pthread_rwlock_trywrlock(l);
  return try_write(l);
}

EXPORT
int pthread_rwlock_timedwrlock(pthread_rwlock_t* l, const timespec* until) {
  if (!sync::may_park()) return real().pthread_rwlock_timedwrlock(l, until);
  if (refused(CLOCK_REALTIME, *until)) return EINVAL;
  return lock_to_write(l, sync::deadline_of(CLOCK_REALTIME, *until));
}

EXPORT
int pthread_rwlock_clockwrlock(pthread_rwlock_t* l, clockid_t clock, const timespec* until) {
  if (!sync::may_park()) return real().pthread_rwlock_clockwrlock(l, clock, until);
  if (refused(clock, *until)) return EINVAL;
  return lock_to_write(l, sync::deadline_of(clock, *until));
}

EXPORT
int pthread_rwlock_unlock(pthread_rwlock_t* l) {
  if (dormant()) return real().pthread_rwlock_unlock(l);
  return unlock(l);
}
