// fork and exec from threads, with pipes to and from the child: what every subprocess module does.
#include "../check.h"

#include <fcntl.h>
#include <sys/wait.h>

enum { threads = 10 };
static int right;

static void* run_cat(void* argument) {
  int in[2], out[2], status;
  char text[64], back[64] = "";
  // Close-on-exec, or a sibling's child would keep the ends open.
  CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0) _exit(98);
    execl("/bin/cat", "cat", (char*)NULL);
    _exit(99);
  }
  CHECK(close(in[0]) == 0 && close(out[1]) == 0);
  const int length = snprintf(text, sizeof text, "line of thread %ld\n", (long)argument);
  CHECK(write(in[1], text, (size_t)length) == length && close(in[1]) == 0);
  ssize_t have = 0, got;
  while ((got = read(out[0], back + have, sizeof back - (size_t)have)) > 0) have += got;
  CHECK(close(out[0]) == 0 && waitpid(child, &status, 0) == child);
  if (have == length && memcmp(text, back, (size_t)length) == 0 && status == 0)
    __atomic_add_fetch(&right, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static void* run_missing(void* unused) {
  int status;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    execv("/nonexistent/program", (char*[]){"x", NULL});
    _exit(errno == ENOENT ? 44 : 45);
  }
  CHECK(waitpid(child, &status, 0) == child);
  say_status("a program that is not there", status);
  return unused;
}

static void* run_shell(void* unused) {
  int status;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    execlp("sh", "sh", "-c", "exit $WISH", (char*)NULL);
    _exit(99);
  }
  CHECK(waitpid(child, &status, 0) == child);
  say_status("found on PATH, with the environment", status);
  return unused;
}

int main(void) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(run_cat, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("answers through cat: %d", right);
  join(start(run_missing, NULL));
  CHECK(setenv("WISH", "23", 1) == 0);
  join(start(run_shell, NULL));
  return 0;
}
