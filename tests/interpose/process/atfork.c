// pthread_atfork: order of the handlers, in parent and child, from main and from a thread.
#include "../check.h"

#include <sys/wait.h>

static char trace[64];

static void note(const char* what) { strcat(trace, what); }
static void prepare_1(void) { note("p1 "); }
static void parent_1(void) { note("P1 "); }
static void child_1(void) { note("C1 "); }
static void prepare_2(void) { note("p2 "); }
static void parent_2(void) { note("P2 "); }
static void child_2(void) { note("C2 "); }

// A lock taken over the fork, as libraries do it, is free in both.
static pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;
static void take(void) { CHECK_OK(pthread_mutex_lock(&guarded)); }
static void give(void) { CHECK_OK(pthread_mutex_unlock(&guarded)); }

static volatile int stop;
static void* use_guarded(void* unused) {
  while (!stop) {
    take();
    usleep(300);
    give();
    sched_yield();
  }
  return unused;
}

static void* fork_once(void* who) {
  trace[0] = 0;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    CHECK_OK(pthread_mutex_lock(&guarded));
    CHECK_OK(pthread_mutex_unlock(&guarded));
    say("child of %s: %s", (char*)who, trace);
    _exit(0);
  }
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  say("parent, %s: %s", (char*)who, trace);
  return NULL;
}

int main(void) {
  CHECK_OK(pthread_atfork(take, give, give));
  CHECK_OK(pthread_atfork(prepare_1, parent_1, child_1));
  CHECK_OK(pthread_atfork(prepare_2, parent_2, child_2));
  fork_once("main alone");
  pthread_t all[3];
  for (int i = 0; i < 3; ++i) all[i] = start(use_guarded, NULL);
  fork_once("main");
  join(start(fork_once, "a thread"));
  stop = 1;
  for (int i = 0; i < 3; ++i) join(all[i]);
  return 0;
}
