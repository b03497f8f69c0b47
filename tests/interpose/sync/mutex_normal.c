// A plain mutex: exclusion across a blocking call, trylock, destroying a held one.
#include "../check.h"

enum { threads = 16, rounds = 50 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int inside, counter, overlaps;

static void* hold_across_a_pause(void* unused) {
  for (int i = 0; i < rounds; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    overlaps += inside++ != 0;
    const int seen = counter;
    if (i % 10 == 0)
      usleep(200);
    else
      sched_yield();
    counter = seen + 1;
    --inside;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return unused;
}

static void* try_once(void* unused) {
  (void)unused;
  return (void*)(long)pthread_mutex_trylock(&mutex);
}

static void* lock_and_release(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  ++counter;
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return unused;
}

int main(void) {
  pthread_t all[threads];
  for (int i = 0; i < threads; ++i) all[i] = start(hold_across_a_pause, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("counted %d", counter);
  FACT("never two inside", overlaps == 0);

  CHECK_OK(pthread_mutex_lock(&mutex));
  FACT("trylock of a held mutex: EBUSY", (long)join(start(try_once, NULL)) == EBUSY);
  FACT("trylock by its owner: EBUSY", pthread_mutex_trylock(&mutex) == EBUSY);
  FACT("destroy of a held mutex: EBUSY", pthread_mutex_destroy(&mutex) == EBUSY);

  for (int i = 0; i < threads; ++i) all[i] = start(lock_and_release, NULL);
  settle();
  FACT("nobody passes a held mutex", counter == threads * rounds);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  for (int i = 0; i < threads; ++i) join(all[i]);
  FACT("all pass once it is released", counter == threads * rounds + threads);
  FACT("trylock of a free mutex: 0", (long)join(start(try_once, NULL)) == 0);
  return 0;
}
