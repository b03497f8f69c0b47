// Every way to sleep sleeps long enough, and not for ever.
#include "../check.h"

#include <poll.h>
#include <sys/select.h>

static void report(const char* name, int result, long long began, int ms) {
  const long long took = now_ms() - began;
  say("%s: %d", name, result);
  FACT("  long enough", took >= ms - 1);
  FACT("  and below 5 s", took < 5000);
}

static void* sleep_every_way(void* unused) {
  const struct timespec pause = {0, 50000000};
  long long began = now_ms();
  report("nanosleep", nanosleep(&pause, NULL), began, 50);
  began = now_ms();
  report("usleep", usleep(50000), began, 50);
  began = now_ms();
  report("sleep", (int)sleep(1), began, 1000);
  began = now_ms();
  report("clock_nanosleep monotonic", clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL), began, 50);
  began = now_ms();
  report("clock_nanosleep realtime", clock_nanosleep(CLOCK_REALTIME, 0, &pause, NULL), began, 50);
  began = now_ms();
  struct timespec point = after_ms(CLOCK_MONOTONIC, 50);
  report("until a monotonic point", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, NULL),
         began, 50);
  began = now_ms();
  point = after_ms(CLOCK_REALTIME, 50);
  report("until a real point", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &point, NULL), began,
         50);
  began = now_ms();
  point = after_ms(CLOCK_BOOTTIME, 50);
  report("until a boottime point", clock_nanosleep(CLOCK_BOOTTIME, TIMER_ABSTIME, &point, NULL),
         began, 50);
  began = now_ms();
  report("poll of nothing", poll(NULL, 0, 50), began, 50);
  began = now_ms();
  struct timeval limit = {0, 50000};
  report("select of nothing", select(0, NULL, NULL, NULL, &limit), began, 50);

  point = after_ms(CLOCK_MONOTONIC, -1000);
  FACT("a past point returns at once",
       clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, NULL) == 0);
  const struct timespec none = {0, 0}, bad = {0, 1000000000}, negative = {-1, 0};
  FACT("zero", nanosleep(&none, NULL) == 0 && usleep(0) == 0 && sleep(0) == 0);
  FACT("too many nanoseconds: EINVAL", nanosleep(&bad, NULL) == -1 && errno == EINVAL);
  FACT("negative: EINVAL", nanosleep(&negative, NULL) == -1 && errno == EINVAL);
  FACT("clock_nanosleep returns the number: EINVAL",
       clock_nanosleep(CLOCK_MONOTONIC, 0, &bad, NULL) == EINVAL);
  FACT("on the thread's own CPU clock: EINVAL",
       clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &none, NULL) == EINVAL);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(sleep_every_way, NULL));
  say("-- in main");
  sleep_every_way(NULL);
  return 0;
}
