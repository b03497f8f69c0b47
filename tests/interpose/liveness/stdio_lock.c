// The lock of a FILE held across a pause, and across a read, while others print to it.
// oracle: timeout=20
#include "../check.h"

static FILE* stream;
static int ends[2];

static void* hold(void* unused) {
  char byte;
  flockfile(stream);
  fputs("held ", stream);
  usleep(5000);
  CHECK(read(ends[0], &byte, 1) == 1);
  fputs("through", stream);
  funlockfile(stream);
  return unused;
}
static void* print(void* unused) {
  fputs(".", stream);
  return unused;
}
static void* let_go(void* unused) {
  usleep(10000);
  CHECK(write(ends[1], "x", 1) == 1);
  return unused;
}

int main(void) {
  char text[100] = "";
  CHECK(pipe(ends) == 0);
  stream = fmemopen(text, sizeof text, "w");
  CHECK(stream);
  pthread_t all[12];
  all[0] = start(hold, NULL);
  for (int i = 1; i < 11; ++i) all[i] = start(print, NULL);
  all[11] = start(let_go, NULL);
  for (int i = 0; i < 12; ++i) join(all[i]);
  CHECK(fclose(stream) == 0);
  FACT("nobody printed between", strstr(text, "held through") != NULL);
  say("printed: %zu", strlen(text));
  return 0;
}
