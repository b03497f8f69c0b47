// Sleeping threads keep their pace while one spins on an atomic that another thread sets 100 ms
// later, fifteen times over.
// oracle: timeout=60
#include "pace.h"

#include <semaphore.h>

enum { turns = 15 };
static sem_t spinning;
static int flag;

static void* set_it(void* unused) {
  for (int i = 0; i < turns; ++i) {
    CHECK(sem_wait(&spinning) == 0);
    usleep(100000);
    __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
  }
  return unused;
}
static void* spin(void* unused) {
  const pthread_t setter = start(set_it, NULL);
  long seen = 0;
  (void)unused;
  for (int i = 0; i < turns; ++i) {
    __atomic_store_n(&flag, 0, __ATOMIC_RELAXED);
    CHECK(sem_post(&spinning) == 0);
    while (!__atomic_load_n(&flag, __ATOMIC_ACQUIRE)) {
    }
    ++seen;
  }
  join(setter);
  return (void*)seen;
}

int main(void) {
  CHECK(sem_init(&spinning, 0, 0) == 0);
  FACT("culprit ended as expected", pace_beside(spin) == (void*)turns);
  return 0;
}
