// Threads that live a moment: one at a time, in batches, detached, in the hands of several makers.
#include "../check.h"

#include <semaphore.h>

enum { one_by_one = 10000, batches = 50, batch = 100, makers = 8 };
static int ran;
static sem_t ended;

static void* run(void* value) {
  __atomic_add_fetch(&ran, 1, __ATOMIC_RELAXED);
  return value;
}
static void* run_detached(void* unused) {
  run(unused);
  CHECK(sem_post(&ended) == 0);
  return unused;
}
static void* make_some(void* unused) {
  for (long i = 0; i < 500; ++i) CHECK(join(start(run, (void*)i)) == (void*)i);
  return unused;
}

int main(void) {
  pthread_t all[batch];
  CHECK(sem_init(&ended, 0, 0) == 0);
  for (long i = 0; i < one_by_one; ++i) CHECK(join(start(run, (void*)i)) == (void*)i);
  say("one at a time: %d", ran);
  ran = 0;
  for (int round = 0; round < batches; ++round) {
    for (long i = 0; i < batch; ++i) all[i] = start(run, (void*)i);
    for (long i = batch - 1; i >= 0; --i) CHECK(join(all[i]) == (void*)i);
  }
  say("in batches: %d", ran);
  ran = 0;
  for (int round = 0; round < batches; ++round) {
    for (int i = 0; i < batch; ++i) CHECK_OK(pthread_detach(start(run_detached, NULL)));
    for (int i = 0; i < batch; ++i) CHECK(sem_wait(&ended) == 0);
  }
  say("detached: %d", ran);
  ran = 0;
  for (int i = 0; i < makers; ++i) all[i] = start(make_some, NULL);
  for (int i = 0; i < makers; ++i) join(all[i]);
  say("by %d makers: %d", makers, ran);
  return 0;
}
