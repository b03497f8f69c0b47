// SIGCHLD: its handler reaps while main and threads block and go on.
#include "../check.h"

#include <sys/wait.h>

enum { children = 20 };
static volatile sig_atomic_t reaped, statuses;
static int ends[2];

static void reap(int number) {
  const int saved = errno;
  int status;
  (void)number;
  while (waitpid(-1, &status, WNOHANG) > 0) {
    ++reaped;
    statuses += WEXITSTATUS(status);
  }
  errno = saved;
}
static void* read_for_ever(void* unused) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return unused;
}

int main(void) {
  sigset_t child_signal, open;
  sigemptyset(&open);
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  CHECK(pipe(ends) == 0);
  handle(SIGCHLD, reap, SA_RESTART | SA_NOCLDSTOP);
  // Blocked everywhere but in main's sigsuspend, as shells do it: no child's end is missed.
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &child_signal, NULL));
  const pthread_t thread = start(read_for_ever, NULL);
  for (int i = 1; i <= children; ++i) {
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(i);
  }
  while (reaped < children) CHECK(sigsuspend(&open) == -1 && errno == EINTR);
  say("reaped %d, sum of statuses %d", (int)reaped, (int)statuses);
  CHECK(write(ends[1], "x", 1) == 1);
  join(thread);
  FACT("no children left: ECHILD", waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);

  signal(SIGCHLD, SIG_IGN);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(1);
  FACT("ignored: nothing to wait for, ECHILD", waitpid(child, NULL, 0) == -1 && errno == ECHILD);
  return 0;
}
