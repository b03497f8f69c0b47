// Writing to a pipe nobody reads: SIGPIPE and EPIPE, for a writer already blocked too.
#include "../check.h"

static volatile sig_atomic_t signals;
static int ends[2];
static pthread_t signalled;

static void count(int number) {
  (void)number;
  ++signals;
  signalled = pthread_self();
}

static void* fill(void* unused) {
  static char block[1 << 20];
  (void)unused;
  const ssize_t part = write(ends[1], block, sizeof block);
  // In part if it had filled the pipe before its reader went, else not at all.
  if (part > 0) CHECK(write(ends[1], block, 1) == -1);
  FACT("EPIPE", errno == EPIPE);
  FACT("the signal came to the writer itself", pthread_equal(signalled, pthread_self()));
  return NULL;
}

int main(void) {
  CHECK(pipe(ends) == 0);
  CHECK(close(ends[0]) == 0);
  handle(SIGPIPE, count, 0);
  FACT("write: EPIPE", write(ends[1], "x", 1) == -1 && errno == EPIPE);
  say("signals: %d", (int)signals);
  signal(SIGPIPE, SIG_IGN);
  FACT("ignored: EPIPE alone", write(ends[1], "x", 1) == -1 && errno == EPIPE);
  say("signals: %d", (int)signals);
  CHECK(close(ends[1]) == 0);

  handle(SIGPIPE, count, SA_RESTART);
  CHECK(pipe(ends) == 0);
  const pthread_t writer = start(fill, NULL);
  settle();
  CHECK(close(ends[0]) == 0);
  join(writer);
  FACT("signals came", signals >= 2);
  return 0;
}
