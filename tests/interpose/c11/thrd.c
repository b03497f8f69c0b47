// C11 threads: create, join, results, detach, sleep, yield, equality.
#include "../check.h"

#include <threads.h>

static int triple(void* value) { return 3 * (int)(long)value; }
static int leave(void* value) {
  thrd_sleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  thrd_exit((int)(long)value);
}
static once_flag flag = ONCE_FLAG_INIT;
static int calls, ran;

static void slow_start(void) {
  ++calls;
  thrd_sleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
}
static int once(void* unused) {
  (void)unused;
  call_once(&flag, slow_start);
  return calls;
}
static int count(void* unused) {
  (void)unused;
  __atomic_add_fetch(&ran, 1, __ATOMIC_SEQ_CST);
  return 0;
}
static int is_same(void* other) { return thrd_equal(*(thrd_t*)other, thrd_current()); }

int main(void) {
  thrd_t all[50];
  int result, sum = 0;
  for (long i = 0; i < 50; ++i)
    CHECK(thrd_create(&all[i], i % 2 ? triple : leave, (void*)i) == thrd_success);
  for (int i = 0; i < 50; ++i) {
    CHECK(thrd_join(all[i], &result) == thrd_success);
    sum += result;
  }
  say("sum of results: %d", sum);
  for (int i = 0; i < 50; ++i) CHECK(thrd_create(&all[i], once, NULL) == thrd_success);
  sum = 0;
  for (int i = 0; i < 50; ++i) {
    CHECK(thrd_join(all[i], &result) == thrd_success);
    sum += result;
  }
  say("call_once: %d call, seen by %d", calls, sum);

  for (int i = 0; i < 20; ++i) {
    CHECK(thrd_create(&all[i], count, NULL) == thrd_success);
    CHECK(thrd_detach(all[i]) == thrd_success);
  }
  while (__atomic_load_n(&ran, __ATOMIC_SEQ_CST) < 20) thrd_yield();
  say("detached: %d ran", ran);

  thrd_t mine = thrd_current();
  FACT("thrd_equal with oneself", thrd_equal(mine, thrd_current()));
  CHECK(thrd_create(&all[0], is_same, &mine) == thrd_success);
  CHECK(thrd_join(all[0], &result) == thrd_success);
  FACT("not with another", result == 0);
  const long long began = now_ms();
  FACT("thrd_sleep", thrd_sleep(&(struct timespec){.tv_nsec = 60000000}, NULL) == 0);
  FACT("  at least 60 ms", now_ms() - began >= 59);
  FACT("thrd_sleep with a bad time: below -1",
       thrd_sleep(&(struct timespec){.tv_nsec = -1}, NULL) < -1);
  return 0;
}
