// stdio at both ends of a socket in one process: libc's inner calls block in fgets, and the answer
// comes from another thread.
// oracle: timeout=20
#include "../check.h"

#include <sys/socket.h>

static int pair[2];

static void* answer(void* unused) {
  FILE* in = fdopen(pair[1], "r");
  FILE* out = fdopen(dup(pair[1]), "w");
  char line[100];
  CHECK(in && out);
  setlinebuf(out);
  while (fgets(line, sizeof line, in)) fprintf(out, "re: %s", line);
  CHECK(fclose(in) == 0 && fclose(out) == 0);
  return unused;
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const pthread_t thread = start(answer, NULL);
  FILE* in = fdopen(pair[0], "r");
  FILE* out = fdopen(dup(pair[0]), "w");
  char line[100], expected[100];
  int right = 0;
  CHECK(in && out);
  setlinebuf(out);
  for (int i = 0; i < 100; ++i) {
    fprintf(out, "message %d\n", i);
    snprintf(expected, sizeof expected, "re: message %d\n", i);
    CHECK(fgets(line, sizeof line, in));
    right += strcmp(line, expected) == 0;
  }
  say("right answers: %d", right);
  CHECK(fclose(out) == 0 && shutdown(pair[0], SHUT_WR) == 0);
  join(thread);
  return 0;
}
