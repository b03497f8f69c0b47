// An error-checking mutex tells owners apart: EDEADLK, EPERM, EBUSY.
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

static void* unlock_once(void* unused) {
  (void)unused;
  return (void*)(long)pthread_mutex_unlock(&mutex);
}
static void* lock_unlock(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  const int again = pthread_mutex_lock(&mutex);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  (void)unused;
  return (void*)(long)again;
}

int main(void) {
  const struct timespec soon = after_ms(CLOCK_REALTIME, 50);
  const struct timespec soon_monotonic = after_ms(CLOCK_MONOTONIC, 50);
  FACT("unlock of a free mutex: EPERM", pthread_mutex_unlock(&mutex) == EPERM);
  CHECK_OK(pthread_mutex_lock(&mutex));
  FACT("lock by its owner: EDEADLK", pthread_mutex_lock(&mutex) == EDEADLK);
  FACT("trylock by its owner: EBUSY", pthread_mutex_trylock(&mutex) == EBUSY);
  FACT("timedlock by its owner: EDEADLK", pthread_mutex_timedlock(&mutex, &soon) == EDEADLK);
  FACT("clocklock by its owner: EDEADLK",
       pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &soon_monotonic) == EDEADLK);
  FACT("unlock by another: EPERM", (long)join(start(unlock_once, NULL)) == EPERM);

  // Owners that came and went must not be mistaken for one another: ids are unique.
  pthread_t waiters[20];
  for (int i = 0; i < 20; ++i) waiters[i] = start(lock_unlock, NULL);
  settle();
  CHECK_OK(pthread_mutex_unlock(&mutex));
  int deadlocks = 0;
  for (int i = 0; i < 20; ++i) deadlocks += (long)join(waiters[i]) == EDEADLK;
  say("%d of 20 owners saw EDEADLK on their second lock", deadlocks);
  FACT("unlock after all: EPERM", pthread_mutex_unlock(&mutex) == EPERM);
  return 0;
}
