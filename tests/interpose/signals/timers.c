// alarm, setitimer and timer_create with handlers, while threads block and work.
#include "../check.h"

#include <semaphore.h>
#include <sys/time.h>

static volatile sig_atomic_t ticks, alarms;
static sem_t expired;
static int ends[2];

static void tick(int number) {
  (void)number;
  ++ticks;
}
static void ring(int number) {
  (void)number;
  ++alarms;
}
static void expire(union sigval value) { CHECK(sem_post(value.sival_ptr) == 0); }
static void* read_for_ever(void* unused) {
  char byte;
  ssize_t got;
  while ((got = read(ends[0], &byte, 1)) == -1 && errno == EINTR) {
  }
  CHECK(got == 1);
  return unused;
}

int main(void) {
  CHECK(pipe(ends) == 0 && sem_init(&expired, 0, 0) == 0);
  const pthread_t reader = start(read_for_ever, NULL);
  handle(SIGALRM, ring, 0);
  FACT("no alarm before", alarm(100) == 0);
  FACT("alarm tells what was left", alarm(1) >= 99);
  while (!alarms) pause();
  say("alarms: %d", (int)alarms);
  FACT("none left", alarm(0) == 0);

  handle(SIGALRM, tick, SA_RESTART);
  const struct itimerval every = {{0, 10000}, {0, 10000}}, none = {{0, 0}, {0, 0}};
  struct itimerval old;
  long long began = now_ms();
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  while (ticks < 10) usleep(50000);
  CHECK(setitimer(ITIMER_REAL, &none, &old) == 0);
  FACT("ten ticks of 10 ms took at least 100 ms", now_ms() - began >= 99);
  FACT("setitimer tells what was set", old.it_interval.tv_usec == 10000);

  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
  const struct itimerspec soon = {{0, 10000000}, {0, 10000000}};
  handle(SIGUSR1, tick, SA_RESTART);
  ticks = 0;
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
  while (ticks < 5) usleep(50000);
  CHECK(timer_delete(timer) == 0);
  say("a timer's signals came");

  // libc runs the function in a thread it makes by itself.
  event = (struct sigevent){.sigev_notify = SIGEV_THREAD,
                            .sigev_notify_function = expire,
                            .sigev_value.sival_ptr = &expired};
  CHECK(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  CHECK(timer_settime(timer, 0, &soon, NULL) == 0);
  for (int i = 0; i < 5; ++i)
    while (sem_wait(&expired) != 0) CHECK(errno == EINTR);
  CHECK(timer_delete(timer) == 0);
  say("a timer's threads came");
  CHECK(write(ends[1], "x", 1) == 1);
  join(reader);

  // CPU time as well: it interrupts a computation.
  handle(SIGPROF, tick, SA_RESTART);
  ticks = 0;
  CHECK(setitimer(ITIMER_PROF, &every, NULL) == 0);
  while (ticks < 3) {
    volatile int work = 0;
    while (++work < 100000) {
    }
  }
  CHECK(setitimer(ITIMER_PROF, &none, NULL) == 0);
  say("profiling ticks came");
  return 0;
}
