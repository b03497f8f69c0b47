// Cancelling a condition wait (the mutex is held again in the handler), a join and a barrier (which
// is no cancellation point), a mutex wait (neither).
#include "../check.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t wall = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static int held, passed, ends[2], entered;

static void release(void* unused) {
  (void)unused;
  held += pthread_mutex_unlock(&mutex) == 0;
}
static void* wait_for_ever(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  pthread_cleanup_push(release, NULL);
  entered = 1;
  for (;;) CHECK_OK(pthread_cond_wait(&never, &mutex));
  pthread_cleanup_pop(0);
  return unused;
}
static void* wait_long(void* unused) {
  const struct timespec late = after_ms(CLOCK_REALTIME, 1000000);
  CHECK_OK(pthread_mutex_lock(&mutex));
  pthread_cleanup_push(release, NULL);
  entered = 1;
  for (;;) CHECK_OK(pthread_cond_timedwait(&never, &mutex, &late));
  pthread_cleanup_pop(0);
  return unused;
}
static void* read_byte(void* result) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return result;
}
static void* join_other(void* other) {
  CHECK_OK(pthread_join(*(pthread_t*)other, NULL));
  return NULL;
}
static void* meet(void* unused) {
  pthread_barrier_wait(&barrier);
  ++passed;
  pthread_testcancel();
  return unused;
}
static void* climb(void* unused) {
  CHECK_OK(pthread_mutex_lock(&wall));
  ++passed;
  CHECK_OK(pthread_mutex_unlock(&wall));
  pthread_testcancel();
  return unused;
}

static void cancel_in_wait(const char* name, void* (*body)(void*)) {
  held = entered = 0;
  const pthread_t thread = start(body, NULL);
  for (int inside = 0; !inside; breathe()) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    inside = entered;
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  CHECK_OK(pthread_cancel(thread));
  const int cancelled = join(thread) == PTHREAD_CANCELED;
  say("%s: %s, mutex held in the handler: %s", name, cancelled ? "cancelled" : "went on",
      held == 1 ? "once" : "?");
}

int main(void) {
  CHECK(pipe(ends) == 0);
  CHECK_OK(pthread_barrier_init(&barrier, NULL, 2));
  cancel_in_wait("cond_wait", wait_for_ever);
  cancel_in_wait("cond_timedwait", wait_long);

  pthread_t reader = start(read_byte, (void*)3L);
  pthread_t thread = start(join_other, &reader);
  settle();
  CHECK_OK(pthread_cancel(thread));
  FACT("join: cancelled", join(thread) == PTHREAD_CANCELED);
  CHECK(write(ends[1], "x", 1) == 1);
  say("  the other is still joinable: %ld", (long)join(reader));

  thread = start(meet, NULL);
  settle();
  CHECK_OK(pthread_cancel(thread));
  settle();
  FACT("barrier: goes on waiting", passed == 0);
  pthread_barrier_wait(&barrier);
  FACT("  passes, and is cancelled after", join(thread) == PTHREAD_CANCELED && passed == 1);

  CHECK_OK(pthread_mutex_lock(&wall));
  thread = start(climb, NULL);
  settle();
  CHECK_OK(pthread_cancel(thread));
  settle();
  FACT("mutex: goes on waiting", passed == 1);
  CHECK_OK(pthread_mutex_unlock(&wall));
  FACT("  passes, and is cancelled after", join(thread) == PTHREAD_CANCELED && passed == 2);
  return 0;
}
