// 100,000 threads with default attributes, all created before the first may end. Natively this
// machine cannot: pthread_create says EAGAIN, and the program ends with status 3.
// oracle: native-exit=3 timeout=180 threads-over-workers=3
// stdout: created 100000
// stdout: slept 100000
#include "../check.h"

enum { threads = 100000 };
static pthread_t all[threads];
static int slept;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static void* sleep_a_little(void* unused) {
  CHECK_OK(pthread_mutex_lock(&gate));
  CHECK_OK(pthread_mutex_unlock(&gate));
  usleep(10000);
  __atomic_add_fetch(&slept, 1, __ATOMIC_RELAXED);
  return unused;
}

int main(void) {
  int created = 0;
  CHECK_OK(pthread_mutex_lock(&gate));
  for (; created < threads; ++created) {
    const int error = pthread_create(&all[created], NULL, sleep_a_little, NULL);
    if (error != 0) {
      say("pthread_create: %s", error_name(error));
      _exit(error == EAGAIN ? 3 : 1);
    }
  }
  say("created %d", created);
  CHECK_OK(pthread_mutex_unlock(&gate));
  for (int i = 0; i < created; ++i) join(all[i]);
  say("slept %d", slept);
  return 0;
}
