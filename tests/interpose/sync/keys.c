// Thread-specific data: values, destructor rounds, deleted keys, running out of keys.
#include "../check.h"

#include <limits.h>

static pthread_key_t plain, stubborn, deleted, silent;
static int plain_runs, stubborn_runs, deleted_runs, order[2], ordered;

static void count_plain(void* value) {
  CHECK(value == &plain_runs && pthread_getspecific(plain) == NULL);
  __atomic_add_fetch(&plain_runs, 1, __ATOMIC_RELAXED);
}
static void come_back(void* value) {
  ++stubborn_runs;
  CHECK_OK(pthread_setspecific(stubborn, value));
}
static void count_deleted(void* unused) {
  (void)unused;
  ++deleted_runs;
}

static void* set_plain(void* unused) {
  CHECK(pthread_getspecific(plain) == NULL);
  CHECK_OK(pthread_setspecific(plain, &plain_runs));
  usleep(1000);
  CHECK(pthread_getspecific(plain) == &plain_runs);
  return unused;
}
static void* be_stubborn(void* unused) {
  CHECK_OK(pthread_setspecific(stubborn, &stubborn_runs));
  return unused;
}
static void* outlive_the_key(void* unused) {
  CHECK_OK(pthread_setspecific(deleted, &deleted_runs));
  CHECK_OK(pthread_key_delete(deleted));
  return unused;
}
static void* peek(void* unused) {
  (void)unused;
  return pthread_getspecific(silent);
}
static void block_in_destructor(void* slot) {
  usleep(2000);
  order[ordered++] = (int)(long)slot;
}
static void* exit_with_value(void* unused) {
  pthread_key_t key;
  CHECK_OK(pthread_key_create(&key, block_in_destructor));
  CHECK_OK(pthread_setspecific(key, (void*)1L));
  pthread_exit(unused);
}

int main(void) {
  CHECK_OK(pthread_key_create(&plain, count_plain));
  CHECK_OK(pthread_key_create(&stubborn, come_back));
  CHECK_OK(pthread_key_create(&deleted, count_deleted));
  CHECK_OK(pthread_key_create(&silent, NULL));
  pthread_t all[200];
  for (int i = 0; i < 200; ++i) all[i] = start(set_plain, NULL);
  for (int i = 0; i < 200; ++i) join(all[i]);
  say("destructor ran for %d of 200 threads", plain_runs);
  join(start(be_stubborn, NULL));
  say("a value set again in its destructor: %d rounds of at most %d", stubborn_runs,
      PTHREAD_DESTRUCTOR_ITERATIONS);
  join(start(outlive_the_key, NULL));
  say("destructor of a deleted key ran %d times", deleted_runs);
  FACT("setting a deleted key: EINVAL", pthread_setspecific(deleted, NULL) == EINVAL);
  CHECK_OK(pthread_setspecific(silent, &silent));
  FACT("a new thread sees no value of main's", join(start(peek, NULL)) == NULL);
  join(start(exit_with_value, NULL));
  FACT("a destructor may block, after pthread_exit", ordered == 1 && order[0] == 1);

  pthread_key_t key;
  int made = 0, error;
  while ((error = pthread_key_create(&key, NULL)) == 0) {
    CHECK(pthread_getspecific(key) == NULL);
    CHECK_OK(pthread_setspecific(key, &made));
    ++made;
  }
  say("out of keys: %s", error_name(error));
  FACT("near a thousand before that", made > 900 && made <= PTHREAD_KEYS_MAX);
  return 0;
}
