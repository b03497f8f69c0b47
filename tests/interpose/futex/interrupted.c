// A signal handler interrupts a futex wait; with SA_RESTART and no timeout it goes on.
#include "futex.h"

static int word, done;

static void ignore(int number) { (void)number; }

static void* wait_once(void* limit) {
  const long result = futex(&word, FUTEX_WAIT_PRIVATE, 0, limit, NULL, 0);
  const int error = result == -1 ? errno : 0;
  set(&done, 1);
  return (void*)(long)error;
}

static void poke_until_done(const char* name, struct timespec* limit) {
  set(&done, 0);
  const pthread_t waiter = start(wait_once, limit);
  while (!get(&done)) {
    CHECK_OK(pthread_kill(waiter, SIGUSR1));
    breathe();
  }
  say("%s: %s", name, error_name((int)(long)join(waiter)));
}

int main(void) {
  struct timespec limit = {9, 0};
  handle(SIGUSR1, ignore, 0);
  poke_until_done("without timeout", NULL);
  poke_until_done("with timeout", &limit);

  handle(SIGUSR1, ignore, SA_RESTART);
  set(&done, 0);
  const pthread_t waiter = start(wait_once, NULL);
  for (int i = 0; i < 20; ++i) {
    CHECK_OK(pthread_kill(waiter, SIGUSR1));
    breathe();
  }
  FACT("with SA_RESTART it goes on waiting", !get(&done));
  wake_in_all(&word, 1);
  say("  and is woken: %s", error_name((int)(long)join(waiter)));
  return 0;
}
