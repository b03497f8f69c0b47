// The joins that try, that give up in time, and that are refused.
#include "../check.h"

static int ends[2];

static void* wait_for_byte(void* result) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return result;
}
static void* join_self(void* unused) {
  (void)unused;
  return (void*)(long)pthread_join(pthread_self(), NULL);
}
static void* join_main_thread(void* main_thread) {
  const struct timespec soon = after_ms(CLOCK_REALTIME, 30);
  return (void*)(long)pthread_timedjoin_np(*(pthread_t*)main_thread, NULL, &soon);
}
static void* end_at_once(void* unused) { return unused; }

static void let_go(void) { CHECK(write(ends[1], "x", 1) == 1); }

int main(void) {
  void* result;
  CHECK(pipe(ends) == 0);
  pthread_t thread = start(wait_for_byte, (void*)11L);
  FACT("tryjoin of a running thread: EBUSY", pthread_tryjoin_np(thread, &result) == EBUSY);
  long long began = now_ms();
  struct timespec soon = after_ms(CLOCK_REALTIME, 60);
  FACT("timedjoin: ETIMEDOUT", pthread_timedjoin_np(thread, &result, &soon) == ETIMEDOUT);
  FACT("  after at least 60 ms", now_ms() - began >= 59);
  began = now_ms();
  soon = after_ms(CLOCK_MONOTONIC, 60);
  FACT("clockjoin: ETIMEDOUT",
       pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
  FACT("  after at least 60 ms", now_ms() - began >= 59);
  FACT("a clock that is none: EINVAL",
       pthread_clockjoin_np(thread, &result, CLOCK_THREAD_CPUTIME_ID, &soon) == EINVAL);
  let_go();
  soon = after_ms(CLOCK_REALTIME, 9000);
  CHECK_OK(pthread_timedjoin_np(thread, &result, &soon));
  say("timedjoin in time: %ld", (long)result);

  thread = start(wait_for_byte, (void*)12L);
  let_go();
  int error;
  while ((error = pthread_tryjoin_np(thread, &result)) == EBUSY) breathe();
  say("tryjoin once it ended: %s, %ld", error_name(error), (long)result);
  thread = start(end_at_once, NULL);
  soon = after_ms(CLOCK_MONOTONIC, 9000);
  CHECK_OK(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon));

  pthread_t myself = pthread_self();
  FACT("join of oneself: EDEADLK", pthread_join(myself, NULL) == EDEADLK);
  FACT("  in a thread: EDEADLK", (long)join(start(join_self, NULL)) == EDEADLK);
  FACT("a thread waits for main in vain: ETIMEDOUT",
       (long)join(start(join_main_thread, &myself)) == ETIMEDOUT);

  thread = start(wait_for_byte, NULL);
  CHECK_OK(pthread_detach(thread));
  FACT("join of a detached thread: EINVAL", pthread_join(thread, NULL) == EINVAL);
  say("tryjoin of a detached thread: %s", error_name(pthread_tryjoin_np(thread, NULL)));
  FACT("detach of a detached thread: EINVAL", pthread_detach(thread) == EINVAL);
  let_go();
  return 0;
}
