// Threads that wait by yielding: sched_yield must let the others run.
#include "../check.h"

#include <sched.h>

enum { threads = 10, rounds = 50 };
static int turn;

static void* take_turns(void* argument) {
  const int me = (int)(long)argument;
  for (int i = 0; i < rounds; ++i) {
    while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) % threads != me) CHECK(sched_yield() == 0);
    __atomic_add_fetch(&turn, 1, __ATOMIC_RELEASE);
  }
  return NULL;
}

int main(void) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(take_turns, (void*)i);
  while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) < threads * rounds) sched_yield();
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("turns: %d", turn);
  return 0;
}
