// A handler that blocks: reads, sleeps, forks and waits, while other threads go on.
#include "../check.h"

#include <sys/wait.h>

static int ends[2], work, stop;
static volatile sig_atomic_t entered, left, byte_read, child_status;

static void block(int number) {
  const int saved = errno;
  char byte = 0;
  (void)number;
  ++entered;
  const struct timespec pause = {0, 2000000};
  nanosleep(&pause, NULL);
  if (read(ends[0], &byte, 1) == 1) byte_read = byte;
  const pid_t child = fork();
  if (child == 0) _exit(12);
  int status = 0;
  if (waitpid(child, &status, 0) == child) child_status = WEXITSTATUS(status);
  ++left;
  errno = saved;
}

static void* keep_working(void* unused) {
  while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
    __atomic_add_fetch(&work, 1, __ATOMIC_SEQ_CST);
    usleep(200);
  }
  return unused;
}
static void* be_interrupted(void* unused) {
  sigset_t open;
  sigemptyset(&open);
  // Blocked but for this wait: it comes here and nowhere else.
  CHECK(sigsuspend(&open) == -1 && errno == EINTR);
  FACT("the handler had ended when the call returned", left == 1);
  return unused;
}

int main(void) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  handle(SIGUSR1, block, 0);
  CHECK(pipe(ends) == 0);
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
  const pthread_t worker = start(keep_working, NULL);
  const pthread_t victim = start(be_interrupted, NULL);
  CHECK_OK(pthread_kill(victim, SIGUSR1));
  while (!entered) breathe();
  const int before = __atomic_load_n(&work, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&work, __ATOMIC_SEQ_CST) < before + 20) breathe();
  FACT("others go on while the handler blocks", !left);
  CHECK(write(ends[1], "b", 1) == 1);
  join(victim);
  say("the handler read '%c' and its child ended with %d", byte_read, (int)child_status);
  __atomic_store_n(&stop, 1, __ATOMIC_SEQ_CST);
  join(worker);
  return 0;
}
