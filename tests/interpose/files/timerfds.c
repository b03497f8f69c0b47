// timerfd: a read waits for the expiry and counts those missed.
#include "../check.h"

#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>

static int timer;

static void arm(long first_ms, long every_ms) {
  const struct itimerspec when = {{every_ms / 1000, every_ms % 1000 * 1000000},
                                  {first_ms / 1000, first_ms % 1000 * 1000000}};
  CHECK(timerfd_settime(timer, 0, &when, NULL) == 0);
}
static uint64_t wait_for_it(void) {
  uint64_t count = 0;
  CHECK(read(timer, &count, sizeof count) == sizeof count);
  return count;
}
static void* wait_in_thread(void* unused) {
  (void)unused;
  return (void*)(long)wait_for_it();
}

int main(void) {
  timer = timerfd_create(CLOCK_MONOTONIC, 0);
  CHECK(timer >= 0);
  long long began = now_ms();
  arm(60, 0);
  say("one expiry: %ld", (long)join(start(wait_in_thread, NULL)));
  FACT("  after at least 60 ms and below 5 s", now_ms() - began >= 59 && now_ms() - began < 5000);

  const pthread_t thread = start(wait_in_thread, NULL);
  settle();
  arm(30, 0);
  say("armed while a thread waits: %ld", (long)join(thread));

  began = now_ms();
  arm(20, 20);
  uint64_t count = 0;
  while (count < 5) count += wait_for_it();
  FACT("five periods of 20 ms took at least 100 ms", now_ms() - began >= 99);
  usleep(70000);
  FACT("missed ones are counted", wait_for_it() >= 3);

  arm(0, 0);
  struct pollfd one = {timer, POLLIN, 0};
  say("disarmed: poll %d", poll(&one, 1, 50));
  struct itimerspec left;
  CHECK(timerfd_gettime(timer, &left) == 0);
  FACT("nothing left", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
  arm(1, 0);
  say("armed: poll %d", poll(&one, 1, 9000));
  CHECK(close(timer) == 0);

  timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
  FACT("non-blocking: EAGAIN", read(timer, &count, sizeof count) == -1 && errno == EAGAIN);
  CHECK(close(timer) == 0);
  timer = timerfd_create(CLOCK_REALTIME, 0);
  const struct timespec soon = after_ms(CLOCK_REALTIME, 40);
  const struct itimerspec when = {{0, 0}, soon};
  CHECK(timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0);
  say("an absolute time: %ld", (long)join(start(wait_in_thread, NULL)));
  return 0;
}
