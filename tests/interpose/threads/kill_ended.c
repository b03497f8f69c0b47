// Asking about threads that have ended but are not joined: the handle is good until the join.
#include "../check.h"

static int handled;
static void count(int number) {
  (void)number;
  ++handled;
}
static void* nothing(void* unused) { return unused; }

int main(void) {
  handle(SIGUSR1, count, 0);
  // Blocked, so that the facts hold even if the thread needs long to end.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  const pthread_t thread = start(nothing, (void*)4L);
  settle();
  FACT("pthread_kill with a signal: 0", pthread_kill(thread, SIGUSR1) == 0);
  FACT("pthread_kill with 0: 0", pthread_kill(thread, 0) == 0);
  FACT("pthread_kill with no signal's number: EINVAL", pthread_kill(pthread_self(), 999) == EINVAL);
  FACT("nobody handled it", handled == 0);
  FACT("pthread_equal", pthread_equal(thread, thread) && !pthread_equal(thread, pthread_self()));
  say("joined: %ld", (long)join(thread));
  return 0;
}
