// Stacks the program supplies: used, and its own again, to unmap, once the thread is joined.
#include "../check.h"

#include <stdint.h>
#include <sys/mman.h>

enum { size = 256 * 1024, threads = 20 };

static int within(const void* address, const void* low, size_t length) {
  return (uintptr_t)address > (uintptr_t)low && (uintptr_t)address < (uintptr_t)low + length;
}

// Does a local lie on the stack that was given, and where pthread_getattr_np says the stack is?
static void* is_my_stack(void* given) {
  char local;
  usleep(1000);
  pthread_attr_t attributes;
  void* lowest;
  size_t length;
  CHECK_OK(pthread_getattr_np(pthread_self(), &attributes));
  CHECK_OK(pthread_attr_getstack(&attributes, &lowest, &length));
  CHECK_OK(pthread_attr_destroy(&attributes));
  return (void*)(long)(within(&local, given, size) && within(&local, lowest, length));
}

static void* allocate(void) {
  void* stack = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(stack != MAP_FAILED);
  return stack;
}

static pthread_t start_on(void* stack) {
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_OK(pthread_attr_init(&attributes));
  CHECK_OK(pthread_attr_setstack(&attributes, stack, size));
  CHECK_OK(pthread_create(&thread, &attributes, is_my_stack, stack));
  CHECK_OK(pthread_attr_destroy(&attributes));
  return thread;
}

static void* nothing(void* unused) { return unused; }

int main(void) {
  int inside = 0;
  for (int round = 0; round < 10; ++round) {
    void* stacks[threads];
    pthread_t all[threads];
    for (int i = 0; i < threads; ++i) {
      stacks[i] = allocate();
      all[i] = start_on(stacks[i]);
    }
    for (int i = 0; i < threads; ++i) {
      inside += join(all[i]) != NULL;
      CHECK(munmap(stacks[i], size) == 0);
    }
    // Threads on stacks of the library's own, between: they must not need what was unmapped.
    for (int i = 0; i < threads; ++i) all[i] = start(nothing, NULL);
    for (int i = 0; i < threads; ++i) join(all[i]);
  }
  say("ran on the given stack: %d of %d", inside, 10 * threads);

  void* stack = allocate();
  int again = 0;
  for (int round = 0; round < 100; ++round) {
    again += join(start_on(stack)) != NULL;
    memset(stack, 0xff, size);
  }
  say("the same stack, overwritten between: %d of 100", again);
  CHECK(munmap(stack, size) == 0);
  FACT("and unmapped, others go on", join(start(nothing, stack)) == stack);
  return 0;
}
