// A recursive mutex counts depth for its owner and is a wall for everybody else.
#include "../check.h"

static pthread_mutex_t mutex;
static pthread_mutex_t preset = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static int reached;

static void* try_once(void* m) {
  const int error = pthread_mutex_trylock(m);
  if (error == 0) CHECK_OK(pthread_mutex_unlock(m));
  return (void*)(long)error;
}
static void* unlock_once(void* m) { return (void*)(long)pthread_mutex_unlock(m); }

static void* lock_twice(void* m) {
  CHECK_OK(pthread_mutex_lock(m));
  usleep(1000);
  CHECK_OK(pthread_mutex_lock(m));
  ++reached;
  CHECK_OK(pthread_mutex_unlock(m));
  CHECK_OK(pthread_mutex_unlock(m));
  return NULL;
}

static void exercise(const char* name, pthread_mutex_t* m) {
  say("-- %s", name);
  for (int depth = 0; depth < 3; ++depth) CHECK_OK(pthread_mutex_lock(m));
  FACT("trylock by its owner deepens it", pthread_mutex_trylock(m) == 0);
  FACT("trylock by another: EBUSY", (long)join(start(try_once, m)) == EBUSY);
  FACT("unlock by another: EPERM", (long)join(start(unlock_once, m)) == EPERM);
  for (int depth = 0; depth < 3; ++depth) CHECK_OK(pthread_mutex_unlock(m));
  FACT("one level left: EBUSY for another", (long)join(start(try_once, m)) == EBUSY);

  pthread_t waiters[5];
  reached = 0;
  for (int i = 0; i < 5; ++i) waiters[i] = start(lock_twice, m);
  settle();
  FACT("waiters stay out", reached == 0);
  CHECK_OK(pthread_mutex_unlock(m));
  for (int i = 0; i < 5; ++i) join(waiters[i]);
  FACT("all waiters got it, twice deep", reached == 5);
  FACT("unlock of a free one: EPERM", pthread_mutex_unlock(m) == EPERM);
}

int main(void) {
  pthread_mutexattr_t attributes;
  CHECK_OK(pthread_mutexattr_init(&attributes));
  CHECK_OK(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE));
  CHECK_OK(pthread_mutex_init(&mutex, &attributes));
  exercise("by attribute", &mutex);
  exercise("by static initialiser", &preset);
  CHECK_OK(pthread_mutex_destroy(&mutex));
  return 0;
}
