// Threads cancelled at any moment, in any call: each runs its cleanup once, gives back its lock and
// its descriptors.
#include "../check.h"

#include <semaphore.h>
#include <sys/socket.h>

enum { rounds = 150, crowd = 10 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t nothing;
static int cleaned, cancelled;

static void count(void* unused) {
  (void)unused;
  __atomic_add_fetch(&cleaned, 1, __ATOMIC_RELAXED);
}
static void unlock(void* unused) {
  (void)unused;
  CHECK_OK(pthread_mutex_unlock(&mutex));
}
static void close_both(void* ends) {
  CHECK(close(((int*)ends)[0]) == 0 && close(((int*)ends)[1]) == 0);
}

static void* suffer(void* argument) {
  const long way = (long)argument;
  pthread_cleanup_push(count, NULL);
  for (;;) {
    if (way % 4 == 0) {
      CHECK_OK(pthread_mutex_lock(&mutex));
      pthread_cleanup_push(unlock, NULL);
      CHECK_OK(pthread_cond_wait(&never, &mutex));
      pthread_cleanup_pop(1);
    } else if (way % 4 == 1) {
      int pair[2];
      char byte;
      CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
      pthread_cleanup_push(close_both, pair);
      CHECK(recv(pair[0], &byte, 1, 0) == 1);
      pthread_cleanup_pop(1);
    } else if (way % 4 == 2) {
      usleep(100);
    } else {
      CHECK(sem_wait(&nothing) == 0);
    }
  }
  pthread_cleanup_pop(0);
  return NULL;
}

int main(void) {
  CHECK(sem_init(&nothing, 0, 0) == 0);
  const int first_free = dup(0);
  CHECK(close(first_free) == 0);
  for (int round = 0; round < rounds; ++round) {
    pthread_t all[crowd];
    for (long i = 0; i < crowd; ++i) all[i] = start(suffer, (void*)i);
    if (round % 3) usleep((useconds_t)(round % 7 * 50));
    for (int i = 0; i < crowd; ++i) CHECK_OK(pthread_cancel(all[i]));
    for (int i = 0; i < crowd; ++i) cancelled += join(all[i]) == PTHREAD_CANCELED;
  }
  say("cancelled %d, cleaned up %d", cancelled, cleaned);
  FACT("the mutex is free", pthread_mutex_trylock(&mutex) == 0);
  FACT("no descriptor was lost", dup(0) - first_free < 5);
  return 0;
}
