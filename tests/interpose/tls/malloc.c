// Memory allocated in one thread and freed in another, by threads that come and go.
#include "../check.h"

enum { threads = 40, blocks = 200 };
static void* table[threads][blocks];
static pthread_barrier_t step;
static int damaged;

static void* trade(void* argument) {
  const int me = (int)(long)argument, other = (me + 7) % threads;
  for (int i = 0; i < blocks; ++i) {
    const size_t size = 16 + (size_t)(me * 37 + i * 101) % 3000;
    unsigned char* block = malloc(size);
    CHECK(block);
    memset(block, me, size);
    table[me][i] = block;
    if (i % 50 == 0) usleep(100);
  }
  pthread_barrier_wait(&step);
  for (int i = 0; i < blocks; ++i) {
    const unsigned char* block = table[other][i];
    const size_t size = 16 + (size_t)(other * 37 + i * 101) % 3000;
    for (size_t at = 0; at < size; ++at)
      if (block[at] != other) __atomic_add_fetch(&damaged, 1, __ATOMIC_RELAXED);
    free(table[other][i]);
    if (i % 50 == 0) sched_yield();
  }
  return NULL;
}

int main(void) {
  pthread_t all[threads];
  CHECK_OK(pthread_barrier_init(&step, NULL, threads));
  for (int round = 0; round < 10; ++round) {
    for (long i = 0; i < threads; ++i) all[i] = start(trade, (void*)i);
    for (int i = 0; i < threads; ++i) join(all[i]);
  }
  say("bytes damaged: %d", damaged);
  return 0;
}
