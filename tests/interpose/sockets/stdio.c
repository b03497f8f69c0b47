// stdio over a socket: libc's own calls inside fgets and fprintf, with a child at the other end.
#include "net.h"

#include <sys/wait.h>

static int pair[2];

static int answer_lines(int fd) {
  FILE* in = fdopen(fd, "r");
  FILE* out = fdopen(dup(fd), "w");
  char line[100];
  CHECK(in && out);
  while (fgets(line, sizeof line, in)) {
    usleep(500);
    fprintf(out, "answer to %s", line);
    CHECK(fflush(out) == 0);
  }
  return 0;
}

static void* ask(void* unused) {
  FILE* in = fdopen(pair[0], "r");
  FILE* out = fdopen(dup(pair[0]), "w");
  char line[100], expected[100];
  int right = 0;
  CHECK(in && out);
  for (int i = 0; i < 50; ++i) {
    CHECK(fprintf(out, "question %d\n", i) > 0 && fflush(out) == 0);
    CHECK(fgets(line, sizeof line, in));
    snprintf(expected, sizeof expected, "answer to question %d\n", i);
    right += strcmp(line, expected) == 0;
  }
  say("right answers: %d", right);
  CHECK(fclose(out) == 0 && shutdown(pair[0], SHUT_WR) == 0);
  FACT("then the end", fgets(line, sizeof line, in) == NULL && feof(in));
  CHECK(fclose(in) == 0);
  return unused;
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    close(pair[0]);
    _exit(answer_lines(pair[1]));
  }
  CHECK(close(pair[1]) == 0);
  join(start(ask, NULL));
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  return 0;
}
