// waitpid and relatives: threads that wait for their children while others run, WNOHANG, any child,
// process groups, stopped ones, errors.
#include "../check.h"

#include <sys/resource.h>
#include <sys/wait.h>

static int ends[2], work;
static volatile int stop;

static pid_t child_that_exits(int code) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    char byte;
    // Until told, so that waiting is waiting.
    _exit(read(ends[0], &byte, 1) == 1 ? code : 99);
  }
  return child;
}
static void tell(int count) {
  for (int i = 0; i < count; ++i) CHECK(write(ends[1], "x", 1) == 1);
}
static void* wait_for_own(void* argument) {
  int status;
  const pid_t child = child_that_exits((int)(long)argument);
  CHECK(waitpid(child, &status, 0) == child);
  return (void*)(long)(WIFEXITED(status) && WEXITSTATUS(status) == (long)argument);
}
static void* keep_working(void* unused) {
  while (!stop) {
    __atomic_add_fetch(&work, 1, __ATOMIC_SEQ_CST);
    usleep(300);
  }
  return unused;
}
static void* wait_for_any(void* unused) {
  int status;
  (void)unused;
  CHECK(wait(&status) > 0);
  return (void*)(long)WEXITSTATUS(status);
}

int main(void) {
  int status;
  siginfo_t info;
  struct rusage usage;
  pthread_t all[10];
  CHECK(pipe(ends) == 0);
  const pthread_t worker = start(keep_working, NULL);
  for (long i = 0; i < 10; ++i) all[i] = start(wait_for_own, (void*)(i + 1));
  const int before = __atomic_load_n(&work, __ATOMIC_SEQ_CST);
  while (__atomic_load_n(&work, __ATOMIC_SEQ_CST) < before + 20) breathe();
  say("others work while ten threads wait");
  tell(10);
  long right = 0;
  for (int i = 0; i < 10; ++i) right += (long)join(all[i]);
  say("each got its own child's status: %ld", right);
  stop = 1;
  join(worker);

  pid_t child = child_that_exits(7);
  say("WNOHANG while it runs: %d", (int)waitpid(child, &status, WNOHANG));
  CHECK(kill(child, SIGSTOP) == 0);
  CHECK(waitpid(child, &status, WUNTRACED) == child);
  FACT("stopped", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
  CHECK(kill(child, SIGCONT) == 0);
  CHECK(waitpid(child, &status, WCONTINUED) == child);
  FACT("continued", WIFCONTINUED(status));
  tell(1);
  CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  FACT("waitid tells how it ended",
       info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 7);
  CHECK(wait4(child, &status, 0, &usage) == child);
  say_status("and it is still there for wait4", status);
  FACT("then no more: ECHILD", waitpid(child, &status, 0) == -1 && errno == ECHILD);

  child = child_that_exits(1);
  CHECK(kill(child, SIGKILL) == 0 && waitpid(child, &status, 0) == child);
  say_status("killed", status);
  long sum = 0;
  for (int i = 1; i <= 5; ++i) child_that_exits(i);
  for (int i = 0; i < 5; ++i) all[i] = start(wait_for_any, NULL);
  tell(5);
  for (int i = 0; i < 5; ++i) sum += (long)join(all[i]);
  say("five threads waited for any: %ld", sum);
  FACT("no children: ECHILD", wait(&status) == -1 && errno == ECHILD);
  return 0;
}
