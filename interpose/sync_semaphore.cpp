// sem_*: libc's trywait and post on the real object; fibers wait in the lot.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// glibc's struct new_sem.
struct semaphore_layout {
  uint32_t value;
  uint32_t waiters_in_libc;
  int process_shared;  // 0, or the futex flag for shared
};

bool process_shared(const sem_t* s) {
  return reinterpret_cast<const semaphore_layout*>(s)->process_shared != 0;
}

// 0, or EBUSY if there is no token. errno is kept.
int try_semaphore(sem_t* s) {
  int kept = errno;
  if (real().sem_trywait(s) == 0) return 0;
  errno = kept;
  return EBUSY;
}

int posix_result(int error) {
  if (error == 0) return 0;
  errno = error;
  return -1;
}

[[gnu::noinline]] int wait_for_token(sem_t* s, deadline until) {
  sync::wait_request wait{
      .address = s,
      .what = wait_for::semaphore,
      .until = until,
      .handlers = until == never ? sync::after_handler::restart : sync::after_handler::fail,
      .cancellable = true,
      .shared = process_shared(s),
  };
  return sync::take(wait, [s] { return try_semaphore(s); });
}

int wait_until(sem_t* s, clockid_t clock, const timespec& until) {
  if (!sync::supported(clock) || !sync::valid(until)) return EINVAL;
  runtime_scope scope;
  cancellation_point();
  if (try_semaphore(s) == 0) return 0;
  return wait_for_token(s, sync::deadline_of(clock, until));
}

int wait_for_ever(sem_t* s) {
  runtime_scope scope;
  cancellation_point();
  if (try_semaphore(s) == 0) return 0;
  return wait_for_token(s, never);
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int sem_wait(sem_t* s) {
  if (!vervet::on_fiber()) return real().sem_wait(s);
  return posix_result(wait_for_ever(s));
}

EXPORT
int sem_trywait(sem_t* s) { return real().sem_trywait(s); }

EXPORT
int sem_timedwait(sem_t* s, const timespec* until) {
  if (!vervet::on_fiber()) return real().sem_timedwait(s, until);
  return posix_result(wait_until(s, CLOCK_REALTIME, *until));
}

EXPORT
int sem_clockwait(sem_t* s, clockid_t clock, const timespec* until) {
  if (!vervet::on_fiber()) return real().sem_clockwait(s, clock, until);
  return posix_result(wait_until(s, clock, *until));
}

EXPORT
int sem_post(sem_t* s) {
  int result = real().sem_post(s);
  // The semaphore may be gone by now; its address is all that is needed.
  if (result == 0 && !dormant()) sync::wake_one(s);
  return result;
}
