// CPU time of a thread: its own clock and pthread_getcpuclockid.
#include "../check.h"

static pthread_barrier_t step;
static volatile unsigned long sink;

static long long ns(clockid_t clock) {
  struct timespec now;
  CHECK(clock_gettime(clock, &now) == 0);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void* compute_then_wait(void* unused) {
  const long long before = ns(CLOCK_THREAD_CPUTIME_ID);
  while (ns(CLOCK_THREAD_CPUTIME_ID) - before < 30000000) ++sink;
  clockid_t own;
  CHECK_OK(pthread_getcpuclockid(pthread_self(), &own));
  FACT("by pthread_getcpuclockid it has used at least 30 ms", ns(own) >= 30000000);
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  return unused;
}

int main(void) {
  clockid_t clock;
  CHECK_OK(pthread_barrier_init(&step, NULL, 2));
  const pthread_t thread = start(compute_then_wait, NULL);
  pthread_barrier_wait(&step);
  FACT("its clock can be had from outside", pthread_getcpuclockid(thread, &clock) == 0);
  FACT("  and read", ns(clock) >= 0);
  CHECK_OK(pthread_getcpuclockid(pthread_self(), &clock));
  const long long before = ns(clock);
  for (int i = 0; i < 1000000; ++i) ++sink;
  FACT("main's own does not go back", ns(clock) >= before);
  FACT("the process has used at least what the thread has",
       ns(CLOCK_PROCESS_CPUTIME_ID) >= 30000000);
  pthread_barrier_wait(&step);
  join(thread);
  return 0;
}
