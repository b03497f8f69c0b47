// 1,000 threads that sleep at the same time sleep at the same time, and wake in the order of their
// times.
#include "../check.h"

enum { threads = 1000 };
static int order[5], woken;

static void* sleep_100_ms(void* unused) {
  const struct timespec pause = {0, 100000000};
  CHECK(nanosleep(&pause, NULL) == 0);
  return unused;
}

struct sleeper {
  struct timespec until;
  int rank;
};
static void* sleep_until(void* argument) {
  const struct sleeper* mine = argument;
  CHECK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &mine->until, NULL) == 0);
  order[__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST)] = mine->rank;
  return NULL;
}

int main(void) {
  static pthread_t all[threads];
  const long long began = now_ms();
  for (int i = 0; i < threads; ++i) all[i] = start(sleep_100_ms, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  const long long took = now_ms() - began;
  FACT("1,000 sleeps of 100 ms took between 100 ms and 10 s", took >= 99 && took < 10000);

  // 150 ms apart: far more than a loaded machine delays a thread.
  struct sleeper sleepers[5];
  const int ranks[5] = {3, 1, 4, 0, 2};
  for (int i = 0; i < 5; ++i) {
    sleepers[i].until = after_ms(CLOCK_MONOTONIC, 150 + 150 * ranks[i]);
    sleepers[i].rank = ranks[i];
    all[i] = start(sleep_until, &sleepers[i]);
  }
  for (int i = 0; i < 5; ++i) join(all[i]);
  say("woken in the order %d %d %d %d %d", order[0], order[1], order[2], order[3], order[4]);
  return 0;
}
