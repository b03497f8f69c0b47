// A handler interrupts a sleep, which says how much was left; an absolute one does not.
#include "../check.h"

static volatile sig_atomic_t done;
static void ignore(int number) { (void)number; }

static void* by_nanosleep(void* unused) {
  const struct timespec pause = {100, 0};
  struct timespec left = {0, 0};
  const int result = nanosleep(&pause, &left);
  say("nanosleep: %d %s", result, error_name(errno));
  done = 1;
  FACT("  tells what is left", left.tv_sec >= 80 && left.tv_sec <= 100);
  return unused;
}
static void* by_clock_nanosleep(void* unused) {
  const struct timespec pause = {100, 0};
  struct timespec left = {0, 0};
  errno = 0;
  const int result = clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, &left);
  done = 1;
  say("clock_nanosleep: %s, errno %s", error_name(result), error_name(errno));
  FACT("  tells what is left", left.tv_sec >= 80 && left.tv_sec <= 100);
  return unused;
}
static void* by_absolute(void* unused) {
  const struct timespec late = after_ms(CLOCK_MONOTONIC, 100000);
  struct timespec left = {7, 7};
  const int result = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &late, &left);
  done = 1;
  say("absolute clock_nanosleep: %s", error_name(result));
  FACT("  leaves the remainder alone", left.tv_sec == 7 && left.tv_nsec == 7);
  return unused;
}
static void* by_sleep(void* unused) {
  const unsigned int left = sleep(100);
  done = 1;
  FACT("sleep returns what is left", left >= 80 && left <= 100);
  return unused;
}
static void* by_usleep(void* unused) {
  const int result = usleep(100000000);
  const int error = errno;
  done = 1;
  say("usleep: %d %s", result, error_name(error));
  return unused;
}

static void interrupt(void* (*body)(void*)) {
  done = 0;
  const pthread_t sleeper = start(body, NULL);
  while (!done) {
    CHECK_OK(pthread_kill(sleeper, SIGUSR1));
    breathe();
  }
  join(sleeper);
}

int main(void) {
  // A sleep is interrupted even with SA_RESTART.
  for (int flags = 0; flags <= 1; ++flags) {
    say("-- %s", flags ? "SA_RESTART" : "no flags");
    handle(SIGUSR1, ignore, flags ? SA_RESTART : 0);
    interrupt(by_nanosleep);
    interrupt(by_clock_nanosleep);
    interrupt(by_absolute);
    interrupt(by_sleep);
    interrupt(by_usleep);
  }
  return 0;
}
