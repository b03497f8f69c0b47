// pthread_getattr_np tells where the stack is: it holds the locals and has the size asked for.
#include "../check.h"

#include <sys/resource.h>

struct bounds {
  size_t size, guard;
  int holds_local, top_near, detached;
};

static struct bounds look(void) {
  struct bounds found;
  pthread_attr_t attributes;
  void* lowest;
  char local;
  CHECK_OK(pthread_getattr_np(pthread_self(), &attributes));
  CHECK_OK(pthread_attr_getstack(&attributes, &lowest, &found.size));
  CHECK_OK(pthread_attr_getguardsize(&attributes, &found.guard));
  CHECK_OK(pthread_attr_getdetachstate(&attributes, &found.detached));
  const char* low = lowest;
  found.holds_local = &local > low && &local < low + found.size;
  // Not much of it is used yet: TLS and a few frames.
  found.top_near = low + found.size - &local < 65536;
  CHECK_OK(pthread_attr_destroy(&attributes));
  return found;
}

static void* look_in_thread(void* found) {
  *(struct bounds*)found = look();
  return NULL;
}

// Uses half of what the bounds promise.
static void* use_half(void* unused) {
  const size_t half = look().size / 2;
  volatile char* bytes = __builtin_alloca(half);
  for (size_t i = 0; i < half; i += 4096) bytes[half - 1 - i] = 1;
  return unused;
}

static void with_size(const char* name, size_t size) {
  struct bounds found;
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_OK(pthread_attr_init(&attributes));
  if (size) CHECK_OK(pthread_attr_setstacksize(&attributes, size));
  CHECK_OK(pthread_attr_getstacksize(&attributes, &size));
  CHECK_OK(pthread_create(&thread, &attributes, look_in_thread, &found));
  join(thread);
  say("-- %s", name);
  FACT("the stack holds a local", found.holds_local);
  FACT("it lies near the top", found.top_near);
  FACT("the size is what was asked, or a page off", found.size + 8192 >= size);
  FACT("and not much more", found.size <= size + (1 << 20));
  FACT("joinable", found.detached == PTHREAD_CREATE_JOINABLE);
  CHECK_OK(pthread_create(&thread, &attributes, use_half, NULL));
  join(thread);
}

int main(void) {
  pthread_attr_t defaults;
  size_t size, guard;
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_STACK, &limit) == 0);
  CHECK_OK(pthread_getattr_default_np(&defaults));
  CHECK_OK(pthread_attr_getstacksize(&defaults, &size));
  CHECK_OK(pthread_attr_getguardsize(&defaults, &guard));
  FACT("the default size follows the limit",
       limit.rlim_cur == RLIM_INFINITY || size == limit.rlim_cur);
  FACT("the default guard is a page", guard == (size_t)getpagesize());
  const struct bounds mine = look();
  FACT("main's stack holds a local", mine.holds_local);
  with_size("default", 0);
  with_size("64 KiB", 65536);
  with_size("1 MiB", 1 << 20);
  with_size("100 MiB", 100 << 20);
  return 0;
}
