// C11 condition variables and thread-specific storage.
#include "../check.h"

#include <threads.h>

static mtx_t mutex;
static cnd_t turned;
static tss_t key;
static int on, woken, destroyed, own;

static int wait_for_it(void* unused) {
  (void)unused;
  CHECK(mtx_lock(&mutex) == thrd_success);
  while (!on) CHECK(cnd_wait(&turned, &mutex) == thrd_success);
  ++woken;
  CHECK(mtx_unlock(&mutex) == thrd_success);
  return 0;
}

static void count_destroyed(void* value) {
  CHECK(value != NULL);
  __atomic_add_fetch(&destroyed, 1, __ATOMIC_RELAXED);
}
static int use_key(void* value) {
  if (tss_get(key) != NULL) return 0;
  CHECK(tss_set(key, value) == thrd_success);
  usleep(500);
  if (tss_get(key) == value) __atomic_add_fetch(&own, 1, __ATOMIC_RELAXED);
  return 0;
}

static void run(thrd_start_t body, int count, void (*meanwhile)(void)) {
  thrd_t all[100];
  for (long i = 0; i < count; ++i)
    CHECK(thrd_create(&all[i], body, (void*)(i + 1)) == thrd_success);
  if (meanwhile) meanwhile();
  for (int i = 0; i < count; ++i) CHECK(thrd_join(all[i], NULL) == thrd_success);
}

static void broadcast(void) {
  settle();
  CHECK(mtx_lock(&mutex) == thrd_success);
  FACT("all wait", woken == 0);
  on = 1;
  CHECK(cnd_broadcast(&turned) == thrd_success);
  CHECK(mtx_unlock(&mutex) == thrd_success);
}
static void signal_one(void) {
  CHECK(mtx_lock(&mutex) == thrd_success);
  on = 1;
  CHECK(cnd_signal(&turned) == thrd_success);
  CHECK(mtx_unlock(&mutex) == thrd_success);
}

int main(void) {
  CHECK(mtx_init(&mutex, mtx_plain) == thrd_success && cnd_init(&turned) == thrd_success);
  run(wait_for_it, 100, broadcast);
  say("woken by broadcast: %d", woken);
  on = 0;
  run(wait_for_it, 1, signal_one);
  say("woken by signal: %d", woken - 100);

  CHECK(mtx_lock(&mutex) == thrd_success);
  const struct timespec soon = after_ms(CLOCK_REALTIME, 60);
  const long long began = now_ms();
  FACT("timedwait: timedout", cnd_timedwait(&turned, &mutex, &soon) == thrd_timedout);
  FACT("  after at least 60 ms", now_ms() - began >= 59);
  CHECK(mtx_unlock(&mutex) == thrd_success);
  cnd_destroy(&turned);

  CHECK(tss_create(&key, count_destroyed) == thrd_success);
  run(use_key, 100, NULL);
  say("own values: %d, destroyed: %d", own, destroyed);
  tss_delete(key);
  return 0;
}
