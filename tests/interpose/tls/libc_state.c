// What libc keeps for each thread: messages, name buffers, the last dlopen error, h_errno.
#include "../check.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>

enum { threads = 30 };
static pthread_barrier_t step;
static int right;

static void* use_libc(void* argument) {
  const int me = (int)(long)argument;
  char expected[64], path[64];
  // strerror of an unknown number formats into a buffer of the thread's.
  const char* message = strerror(10000 + me);
  struct in_addr address = {htonl(0x7f000000u + (unsigned)me)};
  const char* dotted = inet_ntoa(address);
  h_errno = me;
  snprintf(path, sizeof path, "/nonexistent/%d.so", me);
  CHECK(dlopen(path, RTLD_NOW) == NULL);
  pthread_barrier_wait(&step);
  usleep(1000);
  int good = h_errno == me;
  snprintf(expected, sizeof expected, "Unknown error %d", 10000 + me);
  good += strcmp(message, expected) == 0;
  snprintf(expected, sizeof expected, "127.0.0.%d", me);
  good += strcmp(dotted, expected) == 0;
  const char* error = dlerror();
  good += error && strstr(error, path) != NULL;
  good += dlerror() == NULL;
  __atomic_add_fetch(&right, good, __ATOMIC_RELAXED);
  return NULL;
}

static void* find_nothing_left(void* unused) {
  (void)unused;
  return (void*)(long)(h_errno == 0 && dlerror() == NULL);
}

int main(void) {
  pthread_t all[threads];
  CHECK_OK(pthread_barrier_init(&step, NULL, threads));
  for (long i = 0; i < threads; ++i) all[i] = start(use_libc, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("right: %d of %d", right, 5 * threads);
  long fresh = 0;
  for (int i = 0; i < 10; ++i) fresh += (long)join(start(find_nothing_left, NULL));
  say("later threads that find nothing of it: %ld of 10", fresh);
  return 0;
}
