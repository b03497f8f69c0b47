// Barriers: nobody passes early, exactly one serial thread a round, ready for the next round.
#include "../check.h"

enum { threads = 30, rounds = 100 };
static pthread_barrier_t barrier;
static int arrived[rounds], early, serial;

static void* march(void* unused) {
  for (int round = 0; round < rounds; ++round) {
    __atomic_add_fetch(&arrived[round], 1, __ATOMIC_SEQ_CST);
    const int result = pthread_barrier_wait(&barrier);
    CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    if (result != 0) __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
    if (__atomic_load_n(&arrived[round], __ATOMIC_SEQ_CST) != threads)
      __atomic_add_fetch(&early, 1, __ATOMIC_RELAXED);
  }
  return unused;
}

int main(void) {
  pthread_t all[threads];
  FACT("a barrier for nobody: EINVAL", pthread_barrier_init(&barrier, NULL, 0) == EINVAL);
  CHECK_OK(pthread_barrier_init(&barrier, NULL, 1));
  FACT("a barrier for one lets it pass",
       pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD);
  CHECK_OK(pthread_barrier_destroy(&barrier));

  CHECK_OK(pthread_barrier_init(&barrier, NULL, threads));
  for (int i = 0; i < threads; ++i) all[i] = start(march, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("rounds %d, serial threads %d, too early %d", rounds, serial, early);
  FACT("destroy", pthread_barrier_destroy(&barrier) == 0);
  return 0;
}
