// abort in a thread: SIGABRT, although a handler for it returns.
// oracle: signal=ABRT
#include "../check.h"

static void look(int number) { say("SIG%s", sigabbrev_np(number)); }
static void* give_up(void* unused) {
  usleep(1000);
  abort();
  return unused;
}

int main(void) {
  handle(SIGABRT, look, 0);
  join(start(give_up, NULL));
  return 0;
}
