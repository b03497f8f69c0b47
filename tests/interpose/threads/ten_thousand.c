// 10,000 threads, all alive at once, each sleeping 50 ms.
// One kernel thread more than usual: while a thread is made, libc makes one that leaves at once.
// oracle: threads-over-workers=3 timeout=90
#include "../check.h"

enum { threads = 10000 };
static int slept, alive, most;

static void* sleep_a_little(void* unused) {
  const struct timespec pause = {0, 50000000};
  const int now = __atomic_add_fetch(&alive, 1, __ATOMIC_RELAXED);
  for (int seen = most; now > seen;)
    if (__atomic_compare_exchange_n(&most, &seen, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
      break;
  if (clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL) == 0)
    __atomic_add_fetch(&slept, 1, __ATOMIC_RELAXED);
  __atomic_sub_fetch(&alive, 1, __ATOMIC_RELAXED);
  return unused;
}

int main(void) {
  static pthread_t all[threads];
  for (int i = 0; i < threads; ++i) all[i] = start(sleep_a_little, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("slept: %d", slept);
  FACT("many at a time", most > 100);
  return 0;
}
