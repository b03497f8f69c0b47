// pthread_once: one call, everybody waits for its end although it blocks; a cancelled call is none.
#include "../check.h"

static pthread_once_t once = PTHREAD_ONCE_INIT, abandoned = PTHREAD_ONCE_INIT;
static int calls, finished, early, ends[2], entered;

static void slow_start(void) {
  __atomic_add_fetch(&calls, 1, __ATOMIC_SEQ_CST);
  usleep(30000);
  __atomic_store_n(&finished, 1, __ATOMIC_SEQ_CST);
}
static void* ensure(void* unused) {
  CHECK_OK(pthread_once(&once, slow_start));
  if (!__atomic_load_n(&finished, __ATOMIC_SEQ_CST))
    __atomic_add_fetch(&early, 1, __ATOMIC_SEQ_CST);
  return unused;
}

static void block(void) {
  char byte;
  __atomic_store_n(&entered, 1, __ATOMIC_SEQ_CST);
  CHECK(read(ends[0], &byte, 1) == 1);
}
static void* get_stuck(void* unused) {
  CHECK_OK(pthread_once(&abandoned, block));
  return unused;
}
static void do_better(void) { ++calls; }

int main(void) {
  pthread_t all[50];
  for (int i = 0; i < 50; ++i) all[i] = start(ensure, NULL);
  for (int i = 0; i < 50; ++i) join(all[i]);
  say("calls %d, threads that passed too early %d", calls, early);

  CHECK(pipe(ends) == 0);
  const pthread_t stuck = start(get_stuck, NULL);
  while (!__atomic_load_n(&entered, __ATOMIC_SEQ_CST)) breathe();
  CHECK_OK(pthread_cancel(stuck));
  FACT("cancelled inside its once routine", join(stuck) == PTHREAD_CANCELED);
  CHECK_OK(pthread_once(&abandoned, do_better));
  say("calls after the cancelled one: %d", calls);
  return 0;
}
