// ppoll and pselect change the signal mask for the wait alone, without a gap.
#include "../check.h"

#include <poll.h>
#include <sys/select.h>

static volatile sig_atomic_t handled;
static volatile sig_atomic_t stop;
static sigset_t all_open;

static void count(int number) {
  (void)number;
  ++handled;
}

static void* wait_for_signals(void* by_select) {
  int interrupted = 0;
  while (!stop) {
    const int result =
        by_select ? pselect(0, NULL, NULL, NULL, NULL, &all_open) : ppoll(NULL, 0, NULL, &all_open);
    if (result == -1 && errno == EINTR) ++interrupted;
  }
  return (void*)(long)interrupted;
}

static void exercise(const char* name, int by_select) {
  handled = stop = 0;
  const pthread_t waiter = start(wait_for_signals, by_select ? &all_open : NULL);
  // Blocked outside the wait, so each handler runs inside it and interrupts it: none is lost, and
  // none comes while the flag is looked at.
  for (int i = 1; i <= 20; ++i) {
    CHECK_OK(pthread_kill(waiter, SIGUSR1));
    while (handled < i) breathe();
  }
  stop = 1;
  CHECK_OK(pthread_kill(waiter, SIGUSR1));
  const long interrupted = (long)join(waiter);
  // The last one may find the waiter gone.
  FACT(name, handled == 20 || handled == 21);
  FACT("  interrupted each time", interrupted == 20 || interrupted == 21);
}

int main(void) {
  sigset_t usr1;
  sigemptyset(&all_open);
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  handle(SIGUSR1, count, 0);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &usr1, NULL));
  exercise("ppoll handles every signal", 0);
  exercise("pselect handles every signal", 1);

  CHECK(raise(SIGUSR1) == 0);
  handled = 0;
  struct timespec none = {0, 0};
  int result = ppoll(NULL, 0, &none, &all_open);
  FACT("pending: ppoll of no time is interrupted", result == -1 && errno == EINTR);
  result = ppoll(NULL, 0, &(struct timespec){0, 20000000}, NULL);
  say("and then a plain one: %d, handled %d", result, (int)handled);
  return 0;
}
