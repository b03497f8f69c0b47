// Reader-writer locks with a time limit, on either clock.
#include "../check.h"

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t held, tried;
static int as_writer;

static void* hold(void* unused) {
  CHECK_OK(as_writer ? pthread_rwlock_wrlock(&lock) : pthread_rwlock_rdlock(&lock));
  pthread_barrier_wait(&held);
  pthread_barrier_wait(&tried);
  CHECK_OK(pthread_rwlock_unlock(&lock));
  return unused;
}

static int timed(int write, clockid_t clock, long ms) {
  struct timespec point = after_ms(clock, ms);
  if (clock == CLOCK_REALTIME)
    return write ? pthread_rwlock_timedwrlock(&lock, &point)
                 : pthread_rwlock_timedrdlock(&lock, &point);
  return write ? pthread_rwlock_clockwrlock(&lock, clock, &point)
               : pthread_rwlock_clockrdlock(&lock, clock, &point);
}

static void report(const char* name, int write, clockid_t clock) {
  const long long began = now_ms();
  const int error = timed(write, clock, 60);
  say("%s: %s", name, error_name(error));
  if (error == ETIMEDOUT) FACT("  waited at least 60 ms", now_ms() - began >= 59);
  if (error == 0) CHECK_OK(pthread_rwlock_unlock(&lock));
  say("  with a past time: %s", error_name(timed(write, clock, -1000)));
  if (error == 0) CHECK_OK(pthread_rwlock_unlock(&lock));
}

static void exercise(const char* name, int writer) {
  as_writer = writer;
  const pthread_t holder = start(hold, NULL);
  pthread_barrier_wait(&held);
  say("-- against a %s", name);
  report("timedrdlock", 0, CLOCK_REALTIME);
  report("clockrdlock", 0, CLOCK_MONOTONIC);
  report("timedwrlock", 1, CLOCK_REALTIME);
  report("clockwrlock", 1, CLOCK_MONOTONIC);
  struct timespec bad = after_ms(CLOCK_REALTIME, 1000);
  bad.tv_nsec = 1000000000;
  FACT("a bad time: EINVAL", pthread_rwlock_timedwrlock(&lock, &bad) == EINVAL);
  pthread_barrier_wait(&tried);
  FACT("in time: taken", timed(1, CLOCK_MONOTONIC, 9000) == 0);
  CHECK_OK(pthread_rwlock_unlock(&lock));
  join(holder);
}

int main(void) {
  CHECK_OK(pthread_barrier_init(&held, NULL, 2));
  CHECK_OK(pthread_barrier_init(&tried, NULL, 2));
  exercise("reader", 0);
  exercise("writer", 1);
  return 0;
}
