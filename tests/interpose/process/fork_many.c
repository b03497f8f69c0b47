// Many threads fork at once; each child works with threads, forks in turn, and is waited for by the
// thread that made it.
#include "../check.h"

#include <sys/wait.h>

enum { threads = 10, children = 5 };
static int right;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void* add(void* sum) {
  usleep(500);
  __atomic_add_fetch((int*)sum, 1, __ATOMIC_SEQ_CST);
  return NULL;
}

static int work(int depth) {
  int sum = 0;
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(add, &sum);
  for (int i = 0; i < 5; ++i) join(all[i]);
  if (depth > 0) {
    int status;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(work(depth - 1));
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status));
    sum += WEXITSTATUS(status);
  }
  return sum;
}

static void* fork_often(void* unused) {
  for (int i = 0; i < children; ++i) {
    int status;
    const pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) _exit(work(2));
    CHECK(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 15)
      __atomic_add_fetch(&right, 1, __ATOMIC_SEQ_CST);
  }
  return unused;
}

// Threads that keep the locks of the runtime and of libc busy while others fork.
static volatile int stop;
static void* keep_busy(void* unused) {
  while (!stop) {
    const struct timespec soon = after_ms(CLOCK_REALTIME, 1);
    CHECK_OK(pthread_mutex_lock(&mutex));
    pthread_cond_timedwait(&cond, &mutex, &soon);
    CHECK_OK(pthread_mutex_unlock(&mutex));
    free(malloc(100));
  }
  return unused;
}

int main(void) {
  pthread_t all[threads], busy[5];
  for (int i = 0; i < 5; ++i) busy[i] = start(keep_busy, NULL);
  for (int i = 0; i < threads; ++i) all[i] = start(fork_often, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
  stop = 1;
  for (int i = 0; i < 5; ++i) join(busy[i]);
  say("children with the right sum: %d of %d", right, threads * children);
  return 0;
}
