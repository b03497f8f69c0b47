// Process-shared mutexes, conditions and semaphores, and file locks, used between threads of one
// process: the library cannot know that nobody outside will wake them.
// oracle: timeout=20
#include "../check.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/file.h>
#include <sys/mman.h>

struct shared {
  pthread_mutex_t mutex;
  pthread_cond_t turned;
  sem_t sem;
  int counter, turn;
};
static struct shared* shared;
static char path[] = "/tmp/oracle-XXXXXX";

static void* count(void* unused) {
  for (int i = 0; i < 100; ++i) {
    CHECK_OK(pthread_mutex_lock(&shared->mutex));
    const int seen = shared->counter;
    if (i % 25 == 0) usleep(300);
    shared->counter = seen + 1;
    CHECK_OK(pthread_mutex_unlock(&shared->mutex));
  }
  return unused;
}
static void* take_turns(void* me) {
  for (int i = 0; i < 50; ++i) {
    CHECK_OK(pthread_mutex_lock(&shared->mutex));
    while (shared->turn % 3 != (long)me)
      CHECK_OK(pthread_cond_wait(&shared->turned, &shared->mutex));
    ++shared->turn;
    CHECK_OK(pthread_cond_broadcast(&shared->turned));
    CHECK_OK(pthread_mutex_unlock(&shared->mutex));
  }
  return NULL;
}
static void* wait_for_post(void* unused) {
  CHECK(sem_wait(&shared->sem) == 0);
  return unused;
}
static void* lock_file(void* unused) {
  const int fd = open(path, O_RDWR);
  CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
  usleep(1000);
  CHECK(close(fd) == 0);
  return unused;
}

static void in_threads(const char* name, void* (*body)(void*), int threads) {
  pthread_t all[10];
  for (long i = 0; i < threads; ++i) all[i] = start(body, (void*)i);
  if (body == wait_for_post)
    for (int i = 0; i < threads; ++i) CHECK(sem_post(&shared->sem) == 0);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("%s: done", name);
}

int main(void) {
  pthread_mutexattr_t mutex_attributes;
  pthread_condattr_t cond_attributes;
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED && close(mkstemp(path)) == 0);
  CHECK_OK(pthread_mutexattr_init(&mutex_attributes));
  CHECK_OK(pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_condattr_init(&cond_attributes));
  CHECK_OK(pthread_condattr_setpshared(&cond_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_mutex_init(&shared->mutex, &mutex_attributes));
  CHECK_OK(pthread_cond_init(&shared->turned, &cond_attributes));
  CHECK(sem_init(&shared->sem, 1, 0) == 0);
  in_threads("mutex", count, 10);
  in_threads("condition", take_turns, 3);
  in_threads("semaphore", wait_for_post, 10);
  in_threads("file lock", lock_file, 10);
  say("counter %d, turn %d", shared->counter, shared->turn);
  CHECK(unlink(path) == 0);
  return 0;
}
