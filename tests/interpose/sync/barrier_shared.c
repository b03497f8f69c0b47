// A process-shared barrier and reader-writer lock: parent and two children meet.
#include "../check.h"

#include <sys/mman.h>
#include <sys/wait.h>

struct shared {
  pthread_barrier_t barrier;
  pthread_rwlock_t lock;
  int total, serial;
};

static void* meet(void* argument) {
  struct shared* shared = argument;
  for (int i = 0; i < 50; ++i) {
    CHECK_OK(pthread_rwlock_wrlock(&shared->lock));
    ++shared->total;
    CHECK_OK(pthread_rwlock_unlock(&shared->lock));
    if (pthread_barrier_wait(&shared->barrier) != 0)
      __atomic_add_fetch(&shared->serial, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

int main(void) {
  struct shared* shared =
      mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  pthread_barrierattr_t barrier_attributes;
  pthread_rwlockattr_t lock_attributes;
  CHECK_OK(pthread_barrierattr_init(&barrier_attributes));
  CHECK_OK(pthread_barrierattr_setpshared(&barrier_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_rwlockattr_init(&lock_attributes));
  CHECK_OK(pthread_rwlockattr_setpshared(&lock_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_barrier_init(&shared->barrier, &barrier_attributes, 3));
  CHECK_OK(pthread_rwlock_init(&shared->lock, &lock_attributes));
  pid_t children[2];
  for (int i = 0; i < 2; ++i) {
    children[i] = fork();
    CHECK(children[i] >= 0);
    if (children[i] == 0) {
      join(start(meet, shared));
      _exit(0);
    }
  }
  join(start(meet, shared));
  for (int i = 0; i < 2; ++i) {
    int status;
    CHECK(waitpid(children[i], &status, 0) == children[i]);
    say_status("child", status);
  }
  say("total %d, serial %d", shared->total, shared->serial);
  return 0;
}
