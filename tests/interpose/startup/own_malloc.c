// A program with an allocator of its own, behind a mutex, which finds libc's by dlsym (which may
// allocate in turn): called before anything else is ready, and from every thread.
#include "../check.h"

#include <dlfcn.h>

static void* (*next_malloc)(size_t);
static void* (*next_calloc)(size_t, size_t);
static void (*next_free)(void*);
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Alignas(16) char early[8192];
static size_t early_used;
static __thread int searching;
static long allocations;

static void find_next(void) {
  if (next_free || searching) return;
  searching = 1;
  *(void**)&next_malloc = dlsym(RTLD_NEXT, "malloc");
  *(void**)&next_calloc = dlsym(RTLD_NEXT, "calloc");
  *(void**)&next_free = dlsym(RTLD_NEXT, "free");
  searching = 0;
}

static void* from_early(size_t size) {
  void* block = early + early_used;
  early_used += (size + 15) & ~(size_t)15;
  if (early_used > sizeof early) _exit(99);
  return block;
}

void* malloc(size_t size) {
  find_next();
  if (searching || !next_malloc) return from_early(size);
  pthread_mutex_lock(&mutex);
  ++allocations;
  void* block = next_malloc(size);
  pthread_mutex_unlock(&mutex);
  return block;
}
void* calloc(size_t count, size_t size) {
  find_next();
  if (searching || !next_calloc) return from_early(count * size);
  pthread_mutex_lock(&mutex);
  ++allocations;
  void* block = next_calloc(count, size);
  pthread_mutex_unlock(&mutex);
  return block;
}
void free(void* block) {
  if ((char*)block >= early && (char*)block < early + sizeof early) return;
  find_next();
  if (next_free) next_free(block);
}

static void* allocate_often(void* unused) {
  (void)unused;
  for (int i = 0; i < 200; ++i) {
    // Volatile, or the pair would be optimised away.
    char* volatile block = malloc(100);
    block[0] = 1;
    if (i % 50 == 0) usleep(200);
    free(block);
    block = calloc(10, 10);
    if (block[99] != 0) return NULL;
    free(block);
  }
  return &allocations;
}

int main(void) {
  pthread_t all[20];
  int right = 0;
  for (int i = 0; i < 20; ++i) all[i] = start(allocate_often, NULL);
  for (int i = 0; i < 20; ++i) right += join(all[i]) == &allocations;
  say("threads that could allocate: %d", right);
  FACT("all went through here", allocations >= 20 * 400);
  return 0;
}
