// <threads.h>: the same objects as pthreads has, under other names and with other results. libc's
// own go to its inner functions, past ours.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

int c11_result(int error) {
  switch (error) {
    case 0: return thrd_success;
    case ENOMEM: return thrd_nomem;
    case ETIMEDOUT: return thrd_timedout;
    case EBUSY: return thrd_busy;
    default: return thrd_error;
  }
}

pthread_mutex_t* mutex_in(mtx_t* m) { return reinterpret_cast<pthread_mutex_t*>(m); }
pthread_cond_t* condition_in(cnd_t* c) { return reinterpret_cast<pthread_cond_t*>(c); }

// An int result arrives in the lower half of the register that holds a pointer; thrd_join takes
// that half.
using pthread_start = void* (*)(void*);
pthread_start as_pthread_start(thrd_start_t start) {
  return reinterpret_cast<pthread_start>(reinterpret_cast<void (*)()>(start));
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int mtx_lock(mtx_t* m) { return c11_result(sync::lock_mutex(mutex_in(m))); }

EXPORT
int mtx_trylock(mtx_t* m) { return c11_result(sync::try_lock_mutex(mutex_in(m))); }

EXPORT
int mtx_timedlock(mtx_t* m, const timespec* until) {
  return c11_result(sync::lock_mutex_until(mutex_in(m), CLOCK_REALTIME, until));
}

EXPORT
int mtx_unlock(mtx_t* m) { return c11_result(sync::unlock_mutex(mutex_in(m))); }

EXPORT
int cnd_wait(cnd_t* c, mtx_t* m) {
  return c11_result(sync::wait_for_condition(condition_in(c), mutex_in(m)));
}

EXPORT
int cnd_timedwait(cnd_t* c, mtx_t* m, const timespec* until) {
  return c11_result(
      sync::wait_for_condition_until(condition_in(c), mutex_in(m), CLOCK_REALTIME, *until));
}

EXPORT
int cnd_signal(cnd_t* c) { return c11_result(sync::signal_condition(condition_in(c))); }

EXPORT
int cnd_broadcast(cnd_t* c) { return c11_result(sync::broadcast_condition(condition_in(c))); }

EXPORT
void call_once(once_flag* flag, void (*routine)()) {
  sync::run_once(reinterpret_cast<int*>(flag), routine);
}

EXPORT
int tss_create(tss_t* key, tss_dtor_t destructor) {
  return c11_result(sync::create_key(key, destructor));
}

EXPORT
void tss_delete(tss_t key) {
  sync::delete_key_record(key);
  real().tss_delete(key);
}

EXPORT
int thrd_create(thrd_t* thread, thrd_start_t start, void* argument) {
  return c11_result(pthread_create(thread, nullptr, as_pthread_start(start), argument));
}

EXPORT
int thrd_join(thrd_t thread, int* result) {
  void* value = nullptr;
  int error = pthread_join(thread, &value);
  if (error == 0 && result != nullptr)
    *result = static_cast<int>(reinterpret_cast<intptr_t>(value));
  return c11_result(error);
}

EXPORT
int thrd_detach(thrd_t thread) { return c11_result(pthread_detach(thread)); }

EXPORT
void thrd_exit(int result) { pthread_exit(reinterpret_cast<void*>(static_cast<intptr_t>(result))); }

EXPORT
int thrd_sleep(const timespec* duration, timespec* remaining) {
  int error = clock_nanosleep(CLOCK_REALTIME, 0, duration, remaining);
  if (error == 0) return 0;
  return error == EINTR ? -1 : -2;
}
