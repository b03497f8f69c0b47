// errno is each thread's own, survives other threads' blocking calls, and a call that succeeds
// after blocking leaves it alone.
#include "../check.h"

#include <semaphore.h>
#include <sys/socket.h>

enum { threads = 50 };
static int kept, ends[2], pair[2];
static sem_t sem;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static int on;

static void* keep_errno(void* argument) {
  const int mine = 1 + (int)(long)argument;
  int* where = &errno;
  for (int i = 0; i < 20; ++i) {
    errno = mine;
    usleep(500);
    sched_yield();
    if (errno != mine || &errno != where) return NULL;
    // And one that fails.
    if (close(-1) != -1 || errno != EBADF) return NULL;
  }
  __atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void* succeed_after_blocking(void* unused) {
  char byte;
  errno = 1234;
  CHECK(read(ends[0], &byte, 1) == 1);
  FACT("read kept errno", errno == 1234);
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  FACT("recv kept errno", errno == 1234);
  CHECK(sem_wait(&sem) == 0);
  FACT("sem_wait kept errno", errno == 1234);
  CHECK_OK(pthread_mutex_lock(&mutex));
  while (!on) {
    errno = 1234;
    CHECK(pthread_cond_wait(&turned, &mutex) == 0);
  }
  errno = 1234;
  CHECK(pthread_mutex_unlock(&mutex) == 0);
  CHECK(usleep(1000) == 0);
  FACT("usleep kept errno", errno == 1234);
  return unused;
}

static void* return_errno(void* unused) {
  (void)unused;
  return (void*)(long)errno;
}

int main(void) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(keep_errno, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("kept through pauses: %d of %d", kept, threads);

  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(sem_init(&sem, 0, 0) == 0);
  const pthread_t thread = start(succeed_after_blocking, NULL);
  settle();
  CHECK(write(ends[1], "x", 1) == 1);
  settle();
  CHECK(send(pair[1], "x", 1, 0) == 1);
  settle();
  CHECK(sem_post(&sem) == 0);
  settle();
  CHECK_OK(pthread_mutex_lock(&mutex));
  on = 1;
  CHECK_OK(pthread_cond_signal(&turned));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  join(thread);

  errno = 99;
  const pthread_t child = start(return_errno, NULL);
  FACT("a new thread starts with errno 0", join(child) == NULL);
  FACT("  also where one ended before", join(start(return_errno, NULL)) == NULL);
  return 0;
}
