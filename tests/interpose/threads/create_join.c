// Creating, passing an argument, joining with a result; threads that create threads.
#include "../check.h"

static void* square(void* value) { return (void*)((long)value * (long)value); }

static void* tree(void* depth) {
  if ((long)depth == 0) return (void*)1L;
  const pthread_t left = start(tree, (void*)((long)depth - 1));
  const pthread_t right = start(tree, (void*)((long)depth - 1));
  return (void*)((long)join(left) + (long)join(right) + 1);
}

static void* join_other(void* other) { return join(*(pthread_t*)other); }

int main(void) {
  pthread_t all[100];
  for (long i = 0; i < 100; ++i) all[i] = start(square, (void*)i);
  long sum = 0;
  for (int i = 99; i >= 0; --i) sum += (long)join(all[i]);
  say("sum of squares below 100: %ld", sum);
  say("threads in a tree of depth 7: %ld", (long)join(start(tree, (void*)7L)));

  const pthread_t first = start(square, (void*)5L);
  pthread_t joined = first;
  say("joined by another thread: %ld", (long)join(start(join_other, &joined)));
  FACT("join without asking for the result", pthread_join(start(square, NULL), NULL) == 0);

  pthread_attr_t attributes;
  CHECK_OK(pthread_attr_init(&attributes));
  FACT("a stack below the minimum: EINVAL", pthread_attr_setstacksize(&attributes, 1024) == EINVAL);
  FACT("a detach state that is none: EINVAL",
       pthread_attr_setdetachstate(&attributes, 77) == EINVAL);
  CHECK_OK(pthread_attr_setstacksize(&attributes, 16384));
  CHECK_OK(pthread_create(&joined, &attributes, square, (void*)9L));
  say("on the smallest stack: %ld", (long)join(joined));
  CHECK_OK(pthread_attr_setstacksize(&attributes, 1ul << 46));
  FACT("a stack beyond reason: EAGAIN",
       pthread_create(&joined, &attributes, square, NULL) == EAGAIN);
  return 0;
}
