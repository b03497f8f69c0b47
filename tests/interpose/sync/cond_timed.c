// Waiting for a condition until a time: each clock, by attribute and by call.
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static int turned;

static void report(const char* name, int error, long long began) {
  say("%s: %s", name, error_name(error));
  const long long took = now_ms() - began;
  FACT("  waited at least 60 ms and below 5 s", took >= 59 && took < 5000);
  FACT("  and holds the mutex again", pthread_mutex_lock(&mutex) == EDEADLK);
}

static void* signal_later(void* cond) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  turned = 1;
  CHECK_OK(pthread_cond_signal(cond));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return NULL;
}

static void exercise(const char* name, pthread_cond_t* cond, clockid_t own) {
  say("-- %s", name);
  long long began = now_ms();
  struct timespec soon = after_ms(own, 60);
  report("timedwait", pthread_cond_timedwait(cond, &mutex, &soon), began);
  began = now_ms();
  soon = after_ms(CLOCK_MONOTONIC, 60);
  report("clockwait monotonic", pthread_cond_clockwait(cond, &mutex, CLOCK_MONOTONIC, &soon),
         began);
  began = now_ms();
  soon = after_ms(CLOCK_REALTIME, 60);
  report("clockwait realtime", pthread_cond_clockwait(cond, &mutex, CLOCK_REALTIME, &soon), began);

  const struct timespec past = after_ms(own, -1000);
  FACT("a past time: ETIMEDOUT", pthread_cond_timedwait(cond, &mutex, &past) == ETIMEDOUT);
  struct timespec bad = soon;
  bad.tv_nsec = -1;
  FACT("a bad time: EINVAL", pthread_cond_timedwait(cond, &mutex, &bad) == EINVAL);
  FACT("a clock that is none: EINVAL",
       pthread_cond_clockwait(cond, &mutex, CLOCK_THREAD_CPUTIME_ID, &soon) == EINVAL);

  turned = 0;
  const pthread_t other = start(signal_later, cond);
  const struct timespec late = after_ms(own, 9000);
  int error = 0;
  while (!turned && error == 0) error = pthread_cond_timedwait(cond, &mutex, &late);
  say("signalled in time: %s", error_name(error));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  join(other);
  CHECK_OK(pthread_mutex_lock(&mutex));
}

int main(void) {
  pthread_cond_t realtime = PTHREAD_COND_INITIALIZER, monotonic;
  pthread_condattr_t attributes;
  CHECK_OK(pthread_condattr_init(&attributes));
  CHECK_OK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC));
  CHECK_OK(pthread_cond_init(&monotonic, &attributes));
  const struct timespec soon = after_ms(CLOCK_REALTIME, 50);
  FACT("timedwait without the mutex: EPERM",
       pthread_cond_timedwait(&realtime, &mutex, &soon) == EPERM);
  FACT("wait without the mutex: EPERM", pthread_cond_wait(&realtime, &mutex) == EPERM);
  CHECK_OK(pthread_mutex_lock(&mutex));
  exercise("default clock", &realtime, CLOCK_REALTIME);
  exercise("monotonic by attribute", &monotonic, CLOCK_MONOTONIC);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  CHECK_OK(pthread_cond_destroy(&monotonic));
  return 0;
}
