// C11 mutexes: plain, timed, recursive.
#include "../check.h"

#include <threads.h>

static mtx_t mutex;
static int counter;

static int add(void* unused) {
  (void)unused;
  for (int i = 0; i < 100; ++i) {
    CHECK(mtx_lock(&mutex) == thrd_success);
    const int seen = counter;
    if (i % 25 == 0) usleep(200);
    counter = seen + 1;
    CHECK(mtx_unlock(&mutex) == thrd_success);
  }
  return 0;
}
static int try_once(void* unused) {
  (void)unused;
  return mtx_trylock(&mutex);
}
static int try_timed(void* unused) {
  (void)unused;
  const struct timespec soon = after_ms(CLOCK_REALTIME, 60);
  const long long began = now_ms();
  const int result = mtx_timedlock(&mutex, &soon);
  return now_ms() - began >= 59 ? result : -1;
}
static int in_thread(thrd_start_t body) {
  thrd_t thread;
  int result;
  CHECK(thrd_create(&thread, body, NULL) == thrd_success);
  CHECK(thrd_join(thread, &result) == thrd_success);
  return result;
}

static void exercise(const char* name, int type) {
  CHECK(mtx_init(&mutex, type) == thrd_success);
  thrd_t all[10];
  counter = 0;
  for (int i = 0; i < 10; ++i) CHECK(thrd_create(&all[i], add, NULL) == thrd_success);
  for (int i = 0; i < 10; ++i) CHECK(thrd_join(all[i], NULL) == thrd_success);
  say("-- %s: %d", name, counter);
  CHECK(mtx_lock(&mutex) == thrd_success);
  FACT("trylock by another: busy", in_thread(try_once) == thrd_busy);
  if (type & mtx_timed)
    FACT("timedlock by another: timedout", in_thread(try_timed) == thrd_timedout);
  if (type & mtx_recursive) {
    FACT("again by its owner", mtx_lock(&mutex) == thrd_success);
    FACT("trylock by its owner", mtx_trylock(&mutex) == thrd_success);
    CHECK(mtx_unlock(&mutex) == thrd_success && mtx_unlock(&mutex) == thrd_success);
  }
  CHECK(mtx_unlock(&mutex) == thrd_success);
  mtx_destroy(&mutex);
}

int main(void) {
  exercise("plain", mtx_plain);
  exercise("timed", mtx_timed);
  exercise("recursive", mtx_plain | mtx_recursive);
  exercise("timed and recursive", mtx_timed | mtx_recursive);
  return 0;
}
