// A mutex and a condition written on bare futexes, as runtimes of other languages have them.
#include "futex.h"

enum { threads = 50, rounds = 200 };
static int mutex, sequence, counter, passed;

// 0 free, 1 held, 2 held and somebody may sleep (Drepper, "Futexes are tricky").
static void lock(void) {
  int seen = 0;
  if (__atomic_compare_exchange_n(&mutex, &seen, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) return;
  if (seen != 2) seen = __atomic_exchange_n(&mutex, 2, __ATOMIC_SEQ_CST);
  while (seen != 0) {
    futex_wait(&mutex, 2);
    seen = __atomic_exchange_n(&mutex, 2, __ATOMIC_SEQ_CST);
  }
}
static void unlock(void) {
  if (__atomic_exchange_n(&mutex, 0, __ATOMIC_SEQ_CST) == 2) futex_wake(&mutex, 1);
}
static void wait_for_change(void) {
  const int seen = get(&sequence);
  unlock();
  futex_wait(&sequence, seen);
  lock();
}

static void* run(void* unused) {
  for (int i = 0; i < rounds; ++i) {
    lock();
    const int seen = counter;
    if (i % 50 == 0) usleep(100);
    counter = seen + 1;
    unlock();
  }
  lock();
  ++passed;
  __atomic_add_fetch(&sequence, 1, __ATOMIC_SEQ_CST);
  futex_wake(&sequence, INT_MAX);
  while (passed < threads) wait_for_change();
  unlock();
  return unused;
}

int main(void) {
  pthread_t all[threads];
  for (int i = 0; i < threads; ++i) all[i] = start(run, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("counter %d, passed %d", counter, passed);
  return 0;
}
