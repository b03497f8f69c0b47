// Priority-inheriting mutexes, whose contended path is the kernel's, by thread id.
#include "../check.h"

static pthread_mutex_t mutex;
static long counter;

static void* count(void* unused) {
  for (int i = 0; i < 100; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    const long seen = counter;
    if (i % 25 == 0) usleep(300);
    counter = seen + 1;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return unused;
}
static void* try_once(void* unused) {
  (void)unused;
  return (void*)(long)pthread_mutex_trylock(&mutex);
}
static void* timed(void* unused) {
  (void)unused;
  const struct timespec soon = after_ms(CLOCK_REALTIME, 50);
  return (void*)(long)pthread_mutex_timedlock(&mutex, &soon);
}

static void exercise(const char* name, int type) {
  pthread_mutexattr_t attributes;
  CHECK_OK(pthread_mutexattr_init(&attributes));
  CHECK_OK(pthread_mutexattr_settype(&attributes, type));
  CHECK_OK(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT));
  CHECK_OK(pthread_mutex_init(&mutex, &attributes));
  counter = 0;
  pthread_t all[10];
  for (int i = 0; i < 10; ++i) all[i] = start(count, NULL);
  for (int i = 0; i < 10; ++i) join(all[i]);
  say("-- %s: counted %ld", name, counter);
  CHECK_OK(pthread_mutex_lock(&mutex));
  say("second lock by its owner: %s",
      type == PTHREAD_MUTEX_NORMAL ? "not tried" : error_name(pthread_mutex_lock(&mutex)));
  FACT("trylock by another: EBUSY", (long)join(start(try_once, NULL)) == EBUSY);
  FACT("timedlock by another: ETIMEDOUT", (long)join(start(timed, NULL)) == ETIMEDOUT);
  if (type == PTHREAD_MUTEX_RECURSIVE) CHECK_OK(pthread_mutex_unlock(&mutex));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  CHECK_OK(pthread_mutex_destroy(&mutex));
}

int main(void) {
  exercise("normal", PTHREAD_MUTEX_NORMAL);
  exercise("recursive", PTHREAD_MUTEX_RECURSIVE);
  exercise("errorcheck", PTHREAD_MUTEX_ERRORCHECK);
  return 0;
}
