// Ctrl-C while main waits for its threads: the handler runs although a join is not interrupted.
#include "../check.h"

#include <sys/wait.h>

static int ends[2];

static void wake_all(int number) {
  (void)number;
  CHECK(write(ends[1], "0123456789", 10) == 10);
}
static void* read_one(void* unused) {
  char byte;
  ssize_t got;
  while ((got = read(ends[0], &byte, 1)) == -1 && errno == EINTR) {
  }
  CHECK(got == 1);
  return unused;
}

int main(void) {
  pthread_t all[10];
  CHECK(pipe(ends) == 0);
  handle(SIGINT, wake_all, 0);
  for (int i = 0; i < 10; ++i) all[i] = start(read_one, NULL);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    settle();
    _exit(kill(getppid(), SIGINT) == 0 ? 0 : 1);
  }
  for (int i = 0; i < 10; ++i) join(all[i]);
  say("all ten were joined after the signal");
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  return 0;
}
