// A thread that spins, without a call, until another has stored what it waits for.
// oracle: timeout=20
#include "../check.h"

static int ready, answer;

static void* spin(void* unused) {
  while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE)) {
  }
  return (void*)((long)unused + answer);
}
static void* set_it(void* unused) {
  usleep(5000);
  answer = 42;
  __atomic_store_n(&ready, 1, __ATOMIC_RELEASE);
  return unused;
}

int main(void) {
  const pthread_t spinner = start(spin, NULL);
  settle();
  join(start(set_it, NULL));
  say("answer: %ld", (long)join(spinner));
  return 0;
}
