// setuid and relatives change the whole process: main calls, a thread calls, every thread's own
// credentials (asked of the kernel directly) follow. Needs root.
#include "../check.h"

#include <grp.h>
#include <sys/wait.h>

enum { threads = 10, nobody = 65534 };
static pthread_barrier_t step;
static int right;

static void look(uid_t expected_user, gid_t expected_group) {
  unsigned int real, effective, saved, group;
  CHECK(syscall(SYS_getresuid, &real, &effective, &saved) == 0);
  group = (unsigned int)syscall(SYS_getegid);
  if (effective == expected_user && group == expected_group && geteuid() == expected_user)
    __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
}

static void* witness(void* unused) {
  for (int round = 0; round < 4; ++round) {
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    look(round % 2 ? 0 : nobody, round % 2 ? 0 : nobody);
    pthread_barrier_wait(&step);
  }
  return unused;
}

static void change(int down) {
  const unsigned int id = down ? nobody : 0;
  if (!down) CHECK(setresuid(id, id, 0) == 0);
  CHECK(setresgid(id, id, 0) == 0);
  if (down) CHECK(setresuid(id, id, 0) == 0);
}
static void* change_in_thread(void* down) {
  change(*(int*)down);
  look(*(int*)down ? nobody : 0, *(int*)down ? nobody : 0);
  return NULL;
}

static void* drop_for_good(void* unused) {
  CHECK(setgroups(0, NULL) == 0 && setgid(nobody) == 0 && setuid(nobody) == 0);
  return unused;
}
static int drop_in_child(void) {
  join(start(drop_for_good, NULL));
  FACT("main followed", getuid() == nobody && geteuid() == nobody && getgid() == nobody);
  FACT("no way back: EPERM", setuid(0) == -1 && errno == EPERM);
  FACT("no supplementary groups", getgroups(0, NULL) == 0);
  return 0;
}

int main(void) {
  if (geteuid() != 0) {
    say("needs root");
    return 77;
  }
  pthread_t all[threads];
  CHECK_OK(pthread_barrier_init(&step, NULL, threads + 1));
  for (int i = 0; i < threads; ++i) all[i] = start(witness, NULL);
  for (int round = 0; round < 4; ++round) {
    int down = round % 2 == 0;
    right = 0;
    pthread_barrier_wait(&step);
    if (round < 2) {
      change(down);
      look(down ? nobody : 0, down ? nobody : 0);
    } else {
      join(start(change_in_thread, &down));
    }
    pthread_barrier_wait(&step);
    pthread_barrier_wait(&step);
    say("%s by %s: right for %d of %d", down ? "down" : "up", round < 2 ? "main" : "a thread",
        right, threads + 1);
  }
  for (int i = 0; i < threads; ++i) join(all[i]);

  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(drop_in_child());
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  return 0;
}
