// popen, system, posix_spawn and vfork from threads at once.
#include "../check.h"

#include <spawn.h>
#include <sys/wait.h>

extern char** environ;
static int popened, systems, spawned, vforked;

static void* use_popen(void* argument) {
  char command[64], line[64];
  snprintf(command, sizeof command, "echo answer %ld; exit %ld", (long)argument, (long)argument);
  FILE* pipe = popen(command, "re");
  CHECK(pipe && fgets(line, sizeof line, pipe));
  const int answer = atoi(line + 7), status = pclose(pipe);
  if (answer == (long)argument && WEXITSTATUS(status) == (long)argument)
    __atomic_add_fetch(&popened, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static void* use_popen_to_write(void* unused) {
  FILE* pipe = popen("wc -c >/dev/null; exit 3", "we");
  CHECK(pipe && fputs("some text\n", pipe) >= 0);
  if (WEXITSTATUS(pclose(pipe)) == 3) __atomic_add_fetch(&popened, 1, __ATOMIC_SEQ_CST);
  return unused;
}
static void* use_system(void* argument) {
  char command[64];
  snprintf(command, sizeof command, "exit %ld", (long)argument);
  if (system(command) == (long)argument << 8) __atomic_add_fetch(&systems, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static void* use_spawn(void* argument) {
  char script[64];
  snprintf(script, sizeof script, "exit %ld", (long)argument);
  char* const words[] = {"sh", "-c", script, NULL};
  pid_t child;
  int status;
  posix_spawn_file_actions_t actions;
  CHECK_OK(posix_spawn_file_actions_init(&actions));
  CHECK_OK(posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", 0, 0));
  CHECK_OK(posix_spawnp(&child, "sh", &actions, NULL, words, environ));
  CHECK_OK(posix_spawn_file_actions_destroy(&actions));
  CHECK(waitpid(child, &status, 0) == child);
  if (WEXITSTATUS(status) == (long)argument) __atomic_add_fetch(&spawned, 1, __ATOMIC_SEQ_CST);
  return NULL;
}
static void* use_vfork(void* unused) {
  int status;
  const pid_t child = vfork();
  CHECK(child >= 0);
  if (child == 0) {
    execl("/bin/sh", "sh", "-c", "exit 9", (char*)NULL);
    _exit(99);
  }
  CHECK(waitpid(child, &status, 0) == child);
  if (WEXITSTATUS(status) == 9) __atomic_add_fetch(&vforked, 1, __ATOMIC_SEQ_CST);
  return unused;
}

int main(void) {
  void* (*const ways[5])(void*) = {use_popen, use_popen_to_write, use_system, use_spawn, use_vfork};
  pthread_t all[25];
  for (long i = 0; i < 25; ++i) all[i] = start(ways[i % 5], (void*)i);
  for (int i = 0; i < 25; ++i) join(all[i]);
  say("popen %d, system %d, posix_spawn %d, vfork %d", popened, systems, spawned, vforked);
  say("system from main: %d", system("exit 5") >> 8);
  FACT("there is a shell", system(NULL) != 0);
  pid_t child;
  FACT("posix_spawn of nothing: ENOENT", posix_spawn(&child, "/nonexistent/program", NULL, NULL,
                                                     (char*[]){"x", NULL}, environ) == ENOENT);
  int status = 0;
  const pid_t quick = vfork();
  CHECK(quick >= 0);
  if (quick == 0) _exit(4);
  CHECK(waitpid(quick, &status, 0) == quick);
  say_status("vfork and _exit", status);
  return 0;
}
