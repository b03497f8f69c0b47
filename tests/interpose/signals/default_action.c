// SIGTERM without a handler, sent by a thread while main and others block, ends the process.
// oracle: signal=TERM
#include "../check.h"

static int ends[2];

static void* read_for_ever(void* unused) {
  char byte;
  CHECK(read(ends[0], &byte, 1) == 1);
  return unused;
}
static void* end_it(void* unused) {
  settle();
  say("sending SIGTERM");
  CHECK(kill(getpid(), SIGTERM) == 0);
  pause();
  return unused;
}

int main(void) {
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < 5; ++i) start(read_for_ever, NULL);
  const pthread_t last = start(end_it, NULL);
  join(last);
  say("not reached");
  return 0;
}
