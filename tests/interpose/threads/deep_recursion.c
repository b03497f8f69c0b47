// Recursion to 6 MB on a default stack of 8 MB, in several threads at once, with pauses on the way.
#include "../check.h"

enum { frame = 4096, depth = 6 * 1024 * 1024 / frame };

static int descend(int level) {
  volatile char bytes[frame - 256];
  bytes[0] = (char)level;
  bytes[sizeof bytes - 1] = (char)(level + 1);
  if (level % 512 == 0) usleep(100);
  const int below = level == 0 ? 0 : descend(level - 1);
  return below + (bytes[0] == (char)level && bytes[sizeof bytes - 1] == (char)(level + 1));
}

static void* descend_in_thread(void* unused) {
  (void)unused;
  return (void*)(long)descend(depth);
}

int main(void) {
  pthread_t all[8];
  for (int i = 0; i < 8; ++i) all[i] = start(descend_in_thread, NULL);
  int whole = 0;
  for (int i = 0; i < 8; ++i) whole += (long)join(all[i]) == depth + 1;
  say("threads whose frames all came back as they were: %d", whole);
  // A stack that was deep is used again by a shallow thread, and by a deep one.
  int again = 0;
  for (int i = 0; i < 4; ++i) again += (long)join(start(descend_in_thread, NULL)) == depth + 1;
  say("and again: %d", again);
  return 0;
}
