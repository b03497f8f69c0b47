// An adaptive mutex spins before it sleeps: it must not spin for ever on a parked owner.
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static long counter;

static void* count(void* unused) {
  for (int i = 0; i < 200; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    const long seen = counter;
    if (i % 50 == 0) usleep(500);
    counter = seen + 1;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return unused;
}

int main(void) {
  pthread_t all[20];
  for (int i = 0; i < 20; ++i) all[i] = start(count, NULL);
  for (int i = 0; i < 20; ++i) join(all[i]);
  say("counted %ld", counter);
  CHECK_OK(pthread_mutex_lock(&mutex));
  FACT("trylock of a held one: EBUSY", pthread_mutex_trylock(&mutex) == EBUSY);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  return 0;
}
