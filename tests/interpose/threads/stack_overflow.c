// A thread that overflows its stack ends the process by SIGSEGV, and touches nobody else's memory.
// oracle: signal=SEGV vervet-stderr=stack
#include "../check.h"

static volatile int depth_wanted = 1 << 30;

static int descend(int level) {
  volatile char bytes[1024];
  bytes[0] = (char)level;
  const int below = level == depth_wanted ? 0 : descend(level + 1);
  return below + bytes[0];
}

static void* overflow(void* unused) {
  usleep(1000);
  return (void*)((long)unused + descend(0));
}

int main(void) {
  pthread_attr_t attributes;
  pthread_t thread;
  CHECK_OK(pthread_attr_init(&attributes));
  CHECK_OK(pthread_attr_setstacksize(&attributes, 128 * 1024));
  CHECK_OK(pthread_create(&thread, &attributes, overflow, NULL));
  say("overflowing");
  join(thread);
  say("not reached");
  return 0;
}
