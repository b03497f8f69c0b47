// FUTEX_WAIT and FUTEX_WAKE: comparing, counting, timing out, bad arguments.
#include "futex.h"

static int word, gone;

static void* sleep_on_word(void* unused) {
  (void)unused;
  long result;
  do result = futex_wait(&word, 0);
  while (result != 0 && errno == EINTR);
  __atomic_add_fetch(&gone, 1, __ATOMIC_SEQ_CST);
  return (void*)result;
}

int main(void) {
  FACT("another value: EAGAIN", futex_wait(&word, 1) == -1 && errno == EAGAIN);
  FACT("waking nobody: 0", futex_wake(&word, 1) == 0);

  struct timespec limit = {0, 60000000};
  long long began = now_ms();
  FACT("timeout: ETIMEDOUT",
       futex(&word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0) == -1 && errno == ETIMEDOUT);
  const long long took = now_ms() - began;
  FACT("  after at least 60 ms and below 5 s", took >= 59 && took < 5000);
  FACT("  the timeout is left as it was", limit.tv_sec == 0 && limit.tv_nsec == 60000000);
  limit.tv_nsec = 0;
  FACT("timeout zero: ETIMEDOUT",
       futex(&word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0) == -1 && errno == ETIMEDOUT);
  limit.tv_nsec = 1000000000;
  FACT("a bad timeout: EINVAL",
       futex(&word, FUTEX_WAIT_PRIVATE, 0, &limit, NULL, 0) == -1 && errno == EINVAL);
  FACT("a crooked address: EINVAL",
       futex((int*)((char*)&word + 1), FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == -1 &&
           errno == EINVAL);
  FACT("an operation that is none: ENOSYS",
       futex(&word, 99, 0, NULL, NULL, 0) == -1 && errno == ENOSYS);

  pthread_t all[20];
  for (int i = 0; i < 20; ++i) all[i] = start(sleep_on_word, NULL);
  say("woken one by one: %d", wake_in_all(&word, 1) + wake_in_all(&word, 1));
  while (get(&gone) < 2) breathe();
  settle();
  FACT("and no others", get(&gone) == 2);
  say("the rest: %d", wake_in_all(&word, 18));
  for (int i = 0; i < 20; ++i) CHECK(join(all[i]) == NULL);
  FACT("wake of INT_MAX finds nobody left", futex_wake(&word, INT_MAX) == 0);
  return 0;
}
