// A stack can be walked to its end in a thread, in a handler on it, and in main.
#include "../check.h"

#include <execinfo.h>

static int in_handler;

static int depth(void) {
  void* frames[100];
  return backtrace(frames, 100);
}
static void walk(int number) {
  (void)number;
  in_handler = depth();
}

__attribute__((noinline)) static int deeper(int level) {
  const int found = level == 0 ? depth() : deeper(level - 1);
  // Not a tail call, or there would be one frame.
  __asm__ volatile("");
  return found;
}

static void* walk_here(void* unused) {
  const int shallow = deeper(0), deep = deeper(20);
  usleep(1000);
  CHECK(raise(SIGUSR1) == 0);
  FACT("twenty calls deeper are twenty frames more", deep == shallow + 20);
  FACT("the walk ends", deep < 100 && shallow < 20);
  FACT("a handler walks through to the thread's first frame", in_handler > 2 && in_handler < 100);
  return unused;
}

int main(void) {
  handle(SIGUSR1, walk, 0);
  join(start(walk_here, NULL));
  join(start(walk_here, NULL));
  walk_here(NULL);
  return 0;
}
