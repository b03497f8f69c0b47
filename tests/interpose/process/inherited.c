// What a child inherits from the thread that makes it: its signal mask, what is ignored, the
// directory, the environment; by fork, exec, popen, system and posix_spawn.
#include "../check.h"

#include <spawn.h>
#include <sys/wait.h>

extern char** environ;
// Not through a shell where the mask is the subject: shells clear it.
static char* const show_mask[] = {"grep", "-E", "SigBlk|SigIgn", "/proc/self/status", NULL};
static const char* const show_place = "echo \"$WISH, $(pwd), $(ulimit -n), $(umask)\"";

static void by_fork_and_exec(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    execvp(show_mask[0], show_mask);
    _exit(99);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("fork and exec", status);
}
static void by_spawn(void) {
  pid_t child;
  int status;
  CHECK_OK(posix_spawnp(&child, show_mask[0], NULL, NULL, show_mask, environ));
  CHECK(waitpid(child, &status, 0) == child);
  say_status("posix_spawn", status);
}
static void by_popen(void) {
  char line[256];
  FILE* pipe = popen(show_place, "r");
  CHECK(pipe && fgets(line, sizeof line, pipe));
  line[strcspn(line, "\n")] = 0;
  say("popen: %s", line);
  say_status("popen", pclose(pipe));
}
static void by_system(void) { say_status("system", system(show_place)); }

static void* with_own_mask(void* number) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, (int)(long)number);
  CHECK_OK(pthread_sigmask(SIG_SETMASK, &set, NULL));
  usleep(1000);
  say("-- with SIG%s blocked", sigabbrev_np((int)(long)number));
  by_fork_and_exec();
  by_popen();
  by_system();
  by_spawn();
  return NULL;
}
static void* disturb(void* stop) {
  sigset_t set;
  sigfillset(&set);
  CHECK_OK(pthread_sigmask(SIG_SETMASK, &set, NULL));
  while (!*(volatile int*)stop) usleep(100);
  return NULL;
}

int main(void) {
  int stop = 0;
  signal(SIGUSR2, SIG_IGN);
  CHECK(setenv("WISH", "from the parent", 1) == 0 && chdir("/") == 0);
  const pthread_t other = start(disturb, &stop);
  join(start(with_own_mask, (void*)(long)SIGUSR1));
  join(start(with_own_mask, (void*)(long)SIGWINCH));
  say("-- main");
  by_fork_and_exec();
  by_spawn();
  stop = 1;
  join(other);
  return 0;
}
