// A library with TLS loaded and unloaded again and again, while some threads live through it all.
#include "../check.h"

#include <dlfcn.h>

enum { elders = 5, rounds = 20 };
static int (*next)(void);
static pthread_barrier_t step;
static int right;

static void* use_once(void* unused) {
  if (next() == 11 && next() == 12) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return unused;
}

static void* live_through(void* unused) {
  for (int round = 0; round < rounds; ++round) {
    pthread_barrier_wait(&step);
    use_once(NULL);
    usleep(100);
    pthread_barrier_wait(&step);
  }
  return unused;
}

int main(void) {
  pthread_t old[elders], young[10];
  CHECK_OK(pthread_barrier_init(&step, NULL, elders + 1));
  for (int i = 0; i < elders; ++i) old[i] = start(live_through, NULL);
  for (int round = 0; round < rounds; ++round) {
    void* library = dlopen(ORACLE_LIBRARIES "/libtls_reload.so", RTLD_NOW);
    CHECK(library);
    *(void**)&next = dlsym(library, "reload_next");
    CHECK(next);
    pthread_barrier_wait(&step);
    for (int i = 0; i < 10; ++i) young[i] = start(use_once, NULL);
    for (int i = 0; i < 10; ++i) join(young[i]);
    pthread_barrier_wait(&step);
    CHECK(dlclose(library) == 0);
  }
  for (int i = 0; i < elders; ++i) join(old[i]);
  say("uses that found initial values: %d of %d", right, rounds * (10 + elders));
  return 0;
}
