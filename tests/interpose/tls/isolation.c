// __thread variables: initial images, isolation across blocking calls, addresses, alignment.
#include "../check.h"

#include <stdint.h>

enum { threads = 200 };
static __thread int data = 41;
static __thread int zero;
static __thread char text[16] = "initial";
static __thread int* itself;
static __thread struct { _Alignas(64) char bytes[64]; } aligned;
static __thread char large[64 * 1024];

static pthread_barrier_t all_there;
static void* addresses[threads];
static int fresh, kept, crooked;

static int large_is(char value) {
  for (size_t i = 0; i < sizeof large; i += 512)
    if (large[i] != value) return 0;
  return 1;
}

static void* use_tls(void* argument) {
  const int me = (int)(long)argument;
  if (data == 41 && zero == 0 && strcmp(text, "initial") == 0 && large_is(0))
    __atomic_add_fetch(&fresh, 1, __ATOMIC_RELAXED);
  if ((uintptr_t)&aligned % 64) __atomic_add_fetch(&crooked, 1, __ATOMIC_RELAXED);
  addresses[me] = &data;
  data = zero = me;
  snprintf(text, sizeof text, "thread %d", me);
  memset(large, me & 0x7f, sizeof large);
  itself = &data;
  pthread_barrier_wait(&all_there);
  usleep(1000);
  char expected[16];
  snprintf(expected, sizeof expected, "thread %d", me);
  if (data == me && zero == me && strcmp(text, expected) == 0 && large_is((char)(me & 0x7f)) &&
      itself == &data && itself == addresses[me])
    __atomic_add_fetch(&kept, 1, __ATOMIC_RELAXED);
  pthread_barrier_wait(&all_there);
  return NULL;
}

static void run_all(const char* name) {
  pthread_t all[threads];
  fresh = kept = crooked = 0;
  for (long i = 0; i < threads; ++i) all[i] = start(use_tls, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  int twice = 0;
  for (int i = 0; i < threads; ++i)
    for (int j = 0; j < i; ++j) twice += addresses[i] == addresses[j];
  say("%s: fresh %d, kept %d, misaligned %d, addresses shared %d", name, fresh, kept, crooked,
      twice);
}

static void* is_fresh(void* unused) {
  (void)unused;
  const int was = data == 41 && zero == 0 && strcmp(text, "initial") == 0 && large_is(0);
  data = zero = 7;
  memset(text, 'x', sizeof text);
  memset(large, 9, sizeof large);
  return (void*)(long)was;
}

int main(void) {
  data = 1, zero = 2;
  CHECK_OK(pthread_barrier_init(&all_there, NULL, threads));
  run_all("first generation");
  run_all("second generation");
  long in_a_row = 0;
  for (int i = 0; i < 200; ++i) in_a_row += (long)join(start(is_fresh, NULL));
  say("fresh one after the other: %ld", in_a_row);
  FACT("main's are untouched", data == 1 && zero == 2 && strcmp(text, "initial") == 0);
  return 0;
}
