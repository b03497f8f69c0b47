// pthread_mutex_timedlock and clocklock: timeouts, bad times, success in time.
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void* hold_till_told(void* pipe_end) {
  char byte;
  CHECK_OK(pthread_mutex_lock(&mutex));
  CHECK(read(*(int*)pipe_end, &byte, 1) == 1);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return NULL;
}

static void* wait_long(void* unused) {
  const struct timespec late = after_ms(CLOCK_MONOTONIC, 9000);
  (void)unused;
  const int error = pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &late);
  if (error == 0) CHECK_OK(pthread_mutex_unlock(&mutex));
  return (void*)(long)error;
}

static void try_clock(const char* name, clockid_t clock) {
  const long long began = now_ms();
  struct timespec point = after_ms(clock, 60);
  const int error = pthread_mutex_clocklock(&mutex, clock, &point);
  const long long took = now_ms() - began;
  say("clocklock on %s: %s", name, error_name(error));
  FACT("  waited at least 60 ms and below 5 s", took >= 59 && took < 5000);
}

int main(void) {
  int ends[2];
  CHECK(pipe(ends) == 0);
  const struct timespec past = after_ms(CLOCK_REALTIME, -1000);
  struct timespec bad = after_ms(CLOCK_REALTIME, 1000);
  bad.tv_nsec = 1000000000;

  FACT("a free mutex is taken although the time has passed",
       pthread_mutex_timedlock(&mutex, &past) == 0);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  FACT("a free mutex is taken with a bad time", pthread_mutex_timedlock(&mutex, &bad) == 0);
  CHECK_OK(pthread_mutex_unlock(&mutex));

  const pthread_t holder = start(hold_till_told, &ends[0]);
  while (pthread_mutex_trylock(&mutex) != EBUSY) {
    CHECK_OK(pthread_mutex_unlock(&mutex));
    breathe();
  }
  const long long began = now_ms();
  struct timespec soon = after_ms(CLOCK_REALTIME, 60);
  say("timedlock of a held mutex: %s", error_name(pthread_mutex_timedlock(&mutex, &soon)));
  FACT("  waited at least 60 ms", now_ms() - began >= 59);
  say("  with a past time: %s", error_name(pthread_mutex_timedlock(&mutex, &past)));
  say("  with a bad time: %s", error_name(pthread_mutex_timedlock(&mutex, &bad)));
  try_clock("CLOCK_MONOTONIC", CLOCK_MONOTONIC);
  try_clock("CLOCK_REALTIME", CLOCK_REALTIME);
  say("  on a clock that is none: %s",
      error_name(pthread_mutex_clocklock(&mutex, CLOCK_PROCESS_CPUTIME_ID, &soon)));

  pthread_t waiters[3];
  for (int i = 0; i < 3; ++i) waiters[i] = start(wait_long, NULL);
  settle();
  CHECK(write(ends[1], "x", 1) == 1);
  for (int i = 0; i < 3; ++i) FACT("a waiter in time gets it", join(waiters[i]) == NULL);
  join(holder);
  return 0;
}
