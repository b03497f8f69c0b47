// Semaphores and signal handlers: posting from one, being interrupted by one.
#include "../check.h"

#include <semaphore.h>

static sem_t posted, never;
static volatile sig_atomic_t done;
static pthread_t target;

static void post(int number) {
  (void)number;
  const int saved = errno;
  sem_post(&posted);
  errno = saved;
}
static void ignore(int number) { (void)number; }

static void* wait_for_posts(void* count) {
  for (long i = 0; i < (long)count; ++i)
    while (sem_wait(&posted) != 0) CHECK(errno == EINTR);
  return NULL;
}
static void* wait_in_vain(void* unused) {
  (void)unused;
  const int result = sem_wait(&never);
  const int error = errno;
  done = 1;
  return (void*)(long)(result == -1 ? error : 0);
}
static void* wait_in_vain_timed(void* unused) {
  (void)unused;
  const struct timespec late = after_ms(CLOCK_REALTIME, 9000);
  const int result = sem_timedwait(&never, &late);
  const int error = errno;
  done = 1;
  return (void*)(long)(result == -1 ? error : 0);
}

static void interrupt(const char* name, void* (*body)(void*)) {
  done = 0;
  target = start(body, NULL);
  while (!done) {
    CHECK_OK(pthread_kill(target, SIGUSR2));
    breathe();
  }
  say("%s, interrupted: %s", name, error_name((int)(long)join(target)));
}

int main(void) {
  CHECK(sem_init(&posted, 0, 0) == 0 && sem_init(&never, 0, 0) == 0);
  handle(SIGUSR1, post, 0);
  handle(SIGUSR2, ignore, 0);
  const pthread_t waiter = start(wait_for_posts, (void*)20L);
  for (int i = 0; i < 20; ++i) CHECK(raise(SIGUSR1) == 0);
  join(waiter);
  say("20 posts from a handler all arrived");
  interrupt("sem_wait", wait_in_vain);
  interrupt("sem_timedwait", wait_in_vain_timed);

  handle(SIGUSR2, ignore, SA_RESTART);
  const pthread_t patient = start(wait_in_vain, NULL);
  done = 0;
  for (int i = 0; i < 20; ++i) {
    CHECK_OK(pthread_kill(patient, SIGUSR2));
    breathe();
  }
  FACT("with SA_RESTART it goes on waiting", !done);
  CHECK(sem_post(&never) == 0);
  say("  and then gets its post: %s", error_name((int)(long)join(patient)));
  return 0;
}
