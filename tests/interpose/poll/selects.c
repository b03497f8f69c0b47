// select: sets, time left, exceptional conditions, errors, sleeping.
#include "../check.h"

#include <sys/select.h>
#include <sys/socket.h>

static int ends[2];

static void* write_later(void* unused) {
  usleep(20000);
  CHECK(write(ends[1], "x", 1) == 1);
  return unused;
}

static void* all_of_them(void* unused) {
  fd_set readable, writable;
  struct timeval limit = {0, 60000};
  char byte;
  CHECK(pipe(ends) == 0);
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  long long began = now_ms();
  say("nothing in 60 ms: %d", select(ends[1] + 1, &readable, NULL, NULL, &limit));
  FACT("  took them", now_ms() - began >= 59);
  FACT("  no time left", limit.tv_sec == 0 && limit.tv_usec == 0);
  FACT("  the set is emptied", !FD_ISSET(ends[0], &readable));

  FD_SET(ends[0], &readable);
  limit = (struct timeval){50, 0};
  const pthread_t writer = start(write_later, NULL);
  say("in time: %d", select(ends[1] + 1, &readable, NULL, NULL, &limit));
  FACT("  some time left", limit.tv_sec >= 40 && limit.tv_sec < 50);
  join(writer);
  FD_ZERO(&writable);
  FD_SET(ends[1], &writable);
  FD_SET(ends[0], &readable);
  say("two sets: %d", select(ends[1] + 1, &readable, &writable, NULL, NULL));
  FACT("  both set", FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable));
  CHECK(read(ends[0], &byte, 1) == 1);
  say("only below the number given: %d",
      select(ends[1], NULL, &writable, NULL, &(struct timeval){0, 0}));

  const int closed = dup(ends[0]);
  CHECK(close(closed) == 0);
  FD_ZERO(&readable);
  FD_SET(closed, &readable);
  FACT("a closed number: EBADF",
       select(closed + 1, &readable, NULL, NULL, NULL) == -1 && errno == EBADF);
  FACT("a negative count: EINVAL", select(-1, NULL, NULL, NULL, NULL) == -1 && errno == EINVAL);
  limit = (struct timeval){-1, 0};
  FACT("a negative time: EINVAL", select(0, NULL, NULL, NULL, &limit) == -1 && errno == EINVAL);
  const struct timespec bad = {0, 1000000000};
  FACT("pselect with a bad time: EINVAL",
       pselect(0, NULL, NULL, NULL, &bad, NULL) == -1 && errno == EINVAL);

  began = now_ms();
  limit = (struct timeval){0, 40000};
  say("as a sleep: %d", select(0, NULL, NULL, NULL, &limit));
  FACT("  took it", now_ms() - began >= 39);
  began = now_ms();
  const struct timespec pause = {0, 40000000};
  say("pselect as a sleep: %d", pselect(0, NULL, NULL, NULL, &pause, NULL));
  FACT("  took it", now_ms() - began >= 39);
  CHECK(close(ends[1]) == 0);
  FD_ZERO(&readable);
  FD_SET(ends[0], &readable);
  say("no writer left: %d", select(ends[0] + 1, &readable, NULL, NULL, NULL));
  CHECK(close(ends[0]) == 0);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
