// Sleeping threads keep their pace while three compute for 2 s.
// oracle: timeout=60
#include "pace.h"

enum { others = 2 };

static void* compute(void* unused) {
  const long long until = now_ms() + 2000;
  volatile unsigned long state = 1;
  long batches = 0;
  (void)unused;
  do {
    for (int i = 0; i < 1000000; ++i) state = state * 6364136223846793005UL + 1442695040888963407UL;
    ++batches;
  } while (now_ms() < until);
  return (void*)batches;
}
static void* compute_all(void* unused) {
  pthread_t all[others];
  for (int i = 0; i < others; ++i) all[i] = start(compute, unused);
  long ended = compute(unused) != NULL;
  for (int i = 0; i < others; ++i) ended += join(all[i]) != NULL;
  return (void*)ended;
}

int main(void) {
  FACT("culprit ended as expected", pace_beside(compute_all) == (void*)(others + 1));
  return 0;
}
