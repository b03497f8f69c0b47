// _exit in a thread: no handlers, no flushing, the status.
// oracle: exit=9
#include "../check.h"

static void at_end(void) { say("not reached"); }
static void* leave(void* unused) {
  printf("never flushed");
  _exit(9);
  return unused;
}

int main(void) {
  static char buffer[4096];
  setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
  CHECK(atexit(at_end) == 0);
  say("leaving");
  join(start(leave, NULL));
  return 0;
}
