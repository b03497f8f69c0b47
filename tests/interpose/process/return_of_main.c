// main returns while threads run, block and sleep: the process ends with its status.
// oracle: exit=5
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int ends[2], counter;

static void at_end(void) { say("atexit handler"); }
static void* run(void* unused) {
  for (;;) __atomic_add_fetch(&counter, 1, __ATOMIC_RELAXED), sched_yield();
  return unused;
}
static void* block(void* unused) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return unused;
}
static void* lock(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  return unused;
}
static void* doze(void* unused) {
  sleep(1000);
  return unused;
}

int main(void) {
  void* (*const ways[4])(void*) = {run, block, lock, doze};
  CHECK(atexit(at_end) == 0 && pipe(ends) == 0);
  CHECK_OK(pthread_mutex_lock(&mutex));
  for (int i = 0; i < 20; ++i) start(ways[i % 4], NULL);
  settle();
  say("main returns");
  return 5;
}
