// Blocked signals stay pending, for a thread or for the process, until unblocked or waited for.
#include "../check.h"

static volatile sig_atomic_t handled;
static sigset_t set;

static void count(int number) {
  (void)number;
  ++handled;
}
static int pending(int number) {
  sigset_t now;
  CHECK(sigpending(&now) == 0);
  return sigismember(&now, number);
}
static void* with_own(void* unused) {
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  CHECK_OK(pthread_kill(pthread_self(), SIGUSR1));
  usleep(1000);
  FACT("pending in the thread", pending(SIGUSR1));
  FACT("  not handled", handled == 0);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  FACT("  handled once unblocked", handled == 1 && !pending(SIGUSR1));
  return unused;
}
static void* sees_process_wide(void* unused) {
  (void)unused;
  return (void*)(long)pending(SIGUSR2);
}
static void* suspend(void* unused) {
  sigset_t open;
  sigemptyset(&open);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  CHECK_OK(pthread_kill(pthread_self(), SIGUSR1));
  const int result = sigsuspend(&open);
  FACT("sigsuspend: EINTR", result == -1 && errno == EINTR);
  FACT("  and the old mask is back",
       (pthread_sigmask(SIG_SETMASK, NULL, &open), sigismember(&open, SIGUSR1)) == 1);
  return unused;
}

int main(void) {
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGUSR2);
  handle(SIGUSR1, count, 0);
  handle(SIGUSR2, count, 0);
  join(start(with_own, NULL));
  FACT("not pending in main", !pending(SIGUSR1));

  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  handled = 0;
  CHECK(kill(getpid(), SIGUSR2) == 0);
  CHECK(kill(getpid(), SIGUSR2) == 0);
  FACT("sent to the process: pending for every thread",
       pending(SIGUSR2) && join(start(sees_process_wide, NULL)) != NULL);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &set, NULL));
  say("sent twice, handled: %d", (int)handled);
  handled = 0;
  join(start(suspend, NULL));
  say("handled in sigsuspend: %d", (int)handled);
  signal(SIGUSR1, SIG_IGN);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  CHECK(raise(SIGUSR1) == 0);
  struct sigaction now;
  CHECK(sigaction(SIGUSR1, NULL, &now) == 0);
  FACT("sigaction tells what is set", now.sa_handler == SIG_IGN);
  CHECK(sigaction(SIGUSR2, NULL, &now) == 0);
  FACT("  for a handler too", now.sa_handler == count);
  return 0;
}
