// POSIX semaphores: values, tries, times and errors.
#include "../check.h"

#include <limits.h>
#include <semaphore.h>

static sem_t sem;
static int passed;

static void* pass(void* unused) {
  CHECK(sem_wait(&sem) == 0);
  __atomic_add_fetch(&passed, 1, __ATOMIC_RELAXED);
  return unused;
}

static int value(void) {
  int now;
  CHECK(sem_getvalue(&sem, &now) == 0);
  return now;
}

static void report(const char* name, int result, long long began) {
  say("%s: %d %s", name, result, error_name(errno));
  const long long took = now_ms() - began;
  FACT("  waited at least 60 ms and below 5 s", took >= 59 && took < 5000);
}

int main(void) {
  CHECK(sem_init(&sem, 0, 2) == 0);
  CHECK(sem_wait(&sem) == 0 && sem_trywait(&sem) == 0);
  FACT("trywait of zero: EAGAIN", sem_trywait(&sem) == -1 && errno == EAGAIN);
  say("value: %d", value());

  long long began = now_ms();
  struct timespec soon = after_ms(CLOCK_REALTIME, 60);
  report("timedwait", sem_timedwait(&sem, &soon), began);
  began = now_ms();
  soon = after_ms(CLOCK_MONOTONIC, 60);
  report("clockwait monotonic", sem_clockwait(&sem, CLOCK_MONOTONIC, &soon), began);
  soon.tv_nsec = 1000000000;
  FACT("a bad time: EINVAL", sem_timedwait(&sem, &soon) == -1 && errno == EINVAL);
  soon.tv_nsec = 0;
  FACT("a clock that is none: EINVAL",
       sem_clockwait(&sem, CLOCK_THREAD_CPUTIME_ID, &soon) == -1 && errno == EINVAL);

  pthread_t all[100];
  for (int i = 0; i < 100; ++i) all[i] = start(pass, NULL);
  settle();
  FACT("all wait", passed == 0);
  for (int i = 0; i < 100; ++i) CHECK(sem_post(&sem) == 0);
  for (int i = 0; i < 100; ++i) join(all[i]);
  say("passed: %d, value: %d", passed, value());

  CHECK(sem_post(&sem) == 0);
  soon = after_ms(CLOCK_REALTIME, -1000);
  FACT("a post is taken although the time has passed", sem_timedwait(&sem, &soon) == 0);
  CHECK(sem_destroy(&sem) == 0);
  CHECK(sem_init(&sem, 0, SEM_VALUE_MAX) == 0);
  FACT("post beyond the maximum: EOVERFLOW", sem_post(&sem) == -1 && errno == EOVERFLOW);
  FACT("too large a start: EINVAL", sem_init(&sem, 0, SEM_VALUE_MAX + 1u) == -1 && errno == EINVAL);
  return 0;
}
