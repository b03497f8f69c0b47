// Threads made by libc's own pthread_create, found through its handle as a plug-in or a runtime of
// another language may find it, and threads made the ordinary way, on the same objects.
#include "../check.h"

#include <dlfcn.h>
#include <semaphore.h>

enum { threads = 20, rounds = 200 };
static int (*libc_create)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*);
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turned = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t slots;
static long counter, written, turn, serial;

static void* mingle(void* argument) {
  const long me = (long)argument;
  for (int i = 0; i < rounds; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    ++counter;
    CHECK_OK(pthread_mutex_unlock(&mutex));
    CHECK(sem_wait(&slots) == 0);
    CHECK_OK(pthread_rwlock_wrlock(&lock));
    ++written;
    CHECK_OK(pthread_rwlock_unlock(&lock));
    CHECK(sem_post(&slots) == 0);
  }
  if (pthread_barrier_wait(&barrier) != 0) __atomic_add_fetch(&serial, 1, __ATOMIC_RELAXED);
  // Turns pass from one kind of thread to the other and back.
  for (int i = 0; i < 10; ++i) {
    CHECK_OK(pthread_mutex_lock(&mutex));
    while (turn % threads != me) CHECK_OK(pthread_cond_wait(&turned, &mutex));
    ++turn;
    CHECK_OK(pthread_cond_broadcast(&turned));
    CHECK_OK(pthread_mutex_unlock(&mutex));
  }
  return argument;
}

int main(void) {
  void* libc = dlopen("libc.so.6", RTLD_LAZY);
  CHECK(libc);
  *(void**)&libc_create = dlsym(libc, "pthread_create");
  CHECK(libc_create);
  CHECK_OK(pthread_barrier_init(&barrier, NULL, threads));
  CHECK(sem_init(&slots, 0, 3) == 0);
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) {
    if (i % 2)
      all[i] = start(mingle, (void*)i);
    else
      CHECK_OK(libc_create(&all[i], NULL, mingle, (void*)i));
  }
  int right = 0;
  for (long i = 0; i < threads; ++i) right += join(all[i]) == (void*)i;
  say("joined %d with the right result", right);
  say("counter %ld, written %ld, turns %ld, serial %ld", counter, written, turn, serial);
  return 0;
}
