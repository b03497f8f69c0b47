// quick_exit in a thread: its own handlers, not the others.
// oracle: exit=6
#include "../check.h"

static void at_end(void) { say("not reached"); }
static void at_quick_end(void) { say("quick handler"); }
static void* leave(void* unused) {
  usleep(1000);
  quick_exit(6);
  return unused;
}

int main(void) {
  CHECK(atexit(at_end) == 0 && at_quick_exit(at_quick_end) == 0);
  join(start(leave, NULL));
  return 0;
}
