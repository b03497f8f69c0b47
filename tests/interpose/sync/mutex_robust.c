// A robust mutex whose owner ended: EOWNERDEAD for the next, and what may follow.
#include "../check.h"

static pthread_mutex_t mutex;

static void* die_holding(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  return unused;
}
static void* pause_and_die_holding(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  usleep(30000);
  pthread_exit(unused);
}
static void* lock_once(void* unused) {
  (void)unused;
  const int error = pthread_mutex_lock(&mutex);
  if (error == EOWNERDEAD) CHECK_OK(pthread_mutex_consistent(&mutex));
  if (error == 0 || error == EOWNERDEAD) CHECK_OK(pthread_mutex_unlock(&mutex));
  return (void*)(long)error;
}

static void make(int type) {
  pthread_mutexattr_t attributes;
  CHECK_OK(pthread_mutexattr_init(&attributes));
  CHECK_OK(pthread_mutexattr_settype(&attributes, type));
  CHECK_OK(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST));
  CHECK_OK(pthread_mutex_init(&mutex, &attributes));
}

static void exercise(const char* name, int type) {
  say("-- %s", name);
  make(type);
  FACT("consistent on a healthy one: EINVAL", pthread_mutex_consistent(&mutex) == EINVAL);
  join(start(die_holding, NULL));
  FACT("lock after its owner ended: EOWNERDEAD", pthread_mutex_lock(&mutex) == EOWNERDEAD);
  CHECK_OK(pthread_mutex_consistent(&mutex));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  FACT("healthy again", pthread_mutex_lock(&mutex) == 0);
  CHECK_OK(pthread_mutex_unlock(&mutex));

  join(start(die_holding, NULL));
  FACT("trylock after its owner ended: EOWNERDEAD", pthread_mutex_trylock(&mutex) == EOWNERDEAD);
  CHECK_OK(pthread_mutex_consistent(&mutex));
  CHECK_OK(pthread_mutex_unlock(&mutex));

  const pthread_t owner = start(pause_and_die_holding, NULL);
  for (int error; (error = pthread_mutex_trylock(&mutex)) != EBUSY && error != EOWNERDEAD;) {
    CHECK_OK(error);
    CHECK_OK(pthread_mutex_unlock(&mutex));
    sched_yield();
  }
  const pthread_t waiters[3] = {start(lock_once, NULL), start(lock_once, NULL),
                                start(lock_once, NULL)};
  int heirs = 0, healthy = 0;
  for (int i = 0; i < 3; ++i) {
    const long error = (long)join(waiters[i]);
    heirs += error == EOWNERDEAD;
    healthy += error == 0;
  }
  join(owner);
  say("of 3 waiters %d inherited, %d found it healthy", heirs, healthy);

  join(start(die_holding, NULL));
  CHECK(pthread_mutex_lock(&mutex) == EOWNERDEAD);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  FACT("unlocked without consistent: ENOTRECOVERABLE",
       pthread_mutex_lock(&mutex) == ENOTRECOVERABLE);
  FACT("  for trylock as well", pthread_mutex_trylock(&mutex) == ENOTRECOVERABLE);
  CHECK_OK(pthread_mutex_destroy(&mutex));
}

int main(void) {
  exercise("normal", PTHREAD_MUTEX_NORMAL);
  exercise("recursive", PTHREAD_MUTEX_RECURSIVE);
  exercise("errorcheck", PTHREAD_MUTEX_ERRORCHECK);
  return 0;
}
