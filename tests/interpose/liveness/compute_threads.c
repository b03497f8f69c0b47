// Four threads that only compute, each its share of the same work; no call between its begin and
// its end. The programs of bench/run compare how long that takes.
// oracle: args=20
#include "../check.h"

enum { threads = 4 };
static long rounds;

static void* compute(void* argument) {
  unsigned long state = (unsigned long)argument + 1;
  for (long i = 0; i < rounds; ++i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
  }
  return (void*)state;
}

// compute_threads [millions of rounds a thread]
int main(int count, char** arguments) {
  pthread_t all[threads];
  rounds = (count > 1 ? atol(arguments[1]) : 20) * 1000000;
  CHECK(rounds > 0);
  for (long i = 0; i < threads; ++i) all[i] = start(compute, (void*)i);
  for (int i = 0; i < threads; ++i) say("thread %d: %016lx", i, (unsigned long)join(all[i]));
  return 0;
}
