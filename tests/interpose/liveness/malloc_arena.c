// Threads that spend their time in one malloc arena, and one that makes threads meanwhile, which
// needs that arena as well: none is left standing with a lock that all others wait for.
// oracle: timeout=60
#include "../check.h"

#include <malloc.h>

enum { allocators = 6, slots = 64, batch = 40 };
static int done;

static void* allocate(void* seed) {
  unsigned state = (unsigned)(long)seed;
  void* kept[slots] = {0};
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) {
    for (int i = 0; i < 20000; ++i) {
      state = state * 1664525 + 1013904223;
      void** slot = &kept[state >> 26];
      free(*slot);
      *slot = malloc(2000 + (state >> 10) % 6000);
    }
  }
  for (int i = 0; i < slots; ++i) free(kept[i]);
  return NULL;
}
static void* end_at_once(void* unused) { return unused; }

int main(void) {
  pthread_t all[allocators], some[batch];
  CHECK(mallopt(M_ARENA_MAX, 1) == 1);
  for (long i = 0; i < allocators; ++i) all[i] = start(allocate, (void*)(i + 1));
  for (const long long until = now_ms() + 2000; now_ms() < until;) {
    for (int i = 0; i < batch; ++i) some[i] = start(end_at_once, NULL);
    for (int i = 0; i < batch; ++i) join(some[i]);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < allocators; ++i) join(all[i]);
  say("ended");
  return 0;
}
