// Spin locks, whose holder may be parked when somebody else starts to spin.
#include "../check.h"

static pthread_spinlock_t lock;
static long counter;

static void* count(void* unused) {
  for (int i = 0; i < 200; ++i) {
    CHECK_OK(pthread_spin_lock(&lock));
    const long seen = counter;
    if (i % 100 == 0) usleep(200);
    counter = seen + 1;
    CHECK_OK(pthread_spin_unlock(&lock));
  }
  return unused;
}
static void* try_once(void* unused) {
  (void)unused;
  return (void*)(long)pthread_spin_trylock(&lock);
}

int main(void) {
  CHECK_OK(pthread_spin_init(&lock, PTHREAD_PROCESS_PRIVATE));
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(count, NULL);
  for (int i = 0; i < 8; ++i) join(all[i]);
  say("counted %ld", counter);
  CHECK_OK(pthread_spin_lock(&lock));
  FACT("trylock of a held one: EBUSY", (long)join(start(try_once, NULL)) == EBUSY);
  CHECK_OK(pthread_spin_unlock(&lock));
  FACT("trylock of a free one: 0", join(start(try_once, NULL)) == NULL);
  CHECK_OK(pthread_spin_destroy(&lock));
  return 0;
}
