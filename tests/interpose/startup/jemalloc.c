// jemalloc preloaded as well: it makes locks and keys and reads its settings before anybody's
// constructor, and starts threads of its own.
// oracle: preload=libjemalloc.so.2
#include "../check.h"

#include <dlfcn.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void* shelf[64];

static void* allocate(void* argument) {
  unsigned int seed = (unsigned int)(long)argument + 1;
  for (int i = 0; i < 2000; ++i) {
    seed = seed * 1103515245 + 12345;
    char* block = malloc(1 + seed / 65536 % 5000);
    CHECK(block);
    block[0] = 1;
    if (i % 100 == 0) usleep(100);
    // Freed by whoever comes next to that place.
    CHECK_OK(pthread_mutex_lock(&mutex));
    void* old = shelf[seed / 65536 % 64];
    shelf[seed / 65536 % 64] = block;
    CHECK_OK(pthread_mutex_unlock(&mutex));
    free(old);
  }
  return argument;
}

int main(void) {
  pthread_t all[30];
  FACT("it is there", dlsym(RTLD_DEFAULT, "mallctl") != NULL);
  for (int round = 0; round < 3; ++round) {
    for (long i = 0; i < 30; ++i) all[i] = start(allocate, (void*)i);
    int right = 0;
    for (long i = 0; i < 30; ++i) right += join(all[i]) == (void*)i;
    say("round %d: %d threads", round, right);
  }
  return 0;
}
