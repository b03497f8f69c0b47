// A process-shared mutex and condition over fork: parent and child take turns, both with threads.
#include "../check.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { rounds = 200 };
struct shared {
  pthread_mutex_t mutex;
  pthread_cond_t turned;
  int turn, total;
};
static struct shared* shared;

static void play(int me) {
  for (int i = 0; i < rounds; ++i) {
    CHECK_OK(pthread_mutex_lock(&shared->mutex));
    while (shared->turn != me) CHECK_OK(pthread_cond_wait(&shared->turned, &shared->mutex));
    ++shared->total;
    shared->turn = !me;
    CHECK_OK(pthread_cond_signal(&shared->turned));
    CHECK_OK(pthread_mutex_unlock(&shared->mutex));
  }
}
static void* play_in_thread(void* me) {
  play(*(int*)me);
  return NULL;
}

int main(void) {
  shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(shared != MAP_FAILED);
  pthread_mutexattr_t mutex_attributes;
  pthread_condattr_t cond_attributes;
  CHECK_OK(pthread_mutexattr_init(&mutex_attributes));
  CHECK_OK(pthread_mutexattr_setpshared(&mutex_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_mutexattr_settype(&mutex_attributes, PTHREAD_MUTEX_ERRORCHECK));
  CHECK_OK(pthread_condattr_init(&cond_attributes));
  CHECK_OK(pthread_condattr_setpshared(&cond_attributes, PTHREAD_PROCESS_SHARED));
  CHECK_OK(pthread_mutex_init(&shared->mutex, &mutex_attributes));
  CHECK_OK(pthread_cond_init(&shared->turned, &cond_attributes));

  const pid_t child = fork();
  CHECK(child >= 0);
  int me = child == 0;
  join(start(play_in_thread, &me));
  if (me) _exit(7);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  say("turns in all: %d", shared->total);
  FACT("the mutex is free", pthread_mutex_trylock(&shared->mutex) == 0);
  return 0;
}
