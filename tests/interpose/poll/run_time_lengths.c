// A number of descriptors known only at run time: with _FORTIFY_SOURCE these calls go to __poll_chk
// and __ppoll_chk, which must block and wake as their plain forms do.
#include "../check.h"

#include <poll.h>
#include <sys/select.h>

static int ends[2];
static volatile nfds_t two = 2;

static void* write_later(void* unused) {
  usleep(5000);
  CHECK(write(ends[1], "x", 1) == 1);
  return unused;
}

int main(void) {
  char byte;
  CHECK(pipe(ends) == 0);
  struct pollfd both[2] = {{ends[0], POLLIN, 0}, {ends[0], POLLPRI, 0}};
  pthread_t writer = start(write_later, NULL);
  say("poll: %d", poll(both, two, 9000));
  join(writer);
  CHECK(read(ends[0], &byte, 1) == 1);
  writer = start(write_later, NULL);
  const struct timespec limit = {9, 0};
  say("ppoll: %d", ppoll(both, two, &limit, NULL));
  join(writer);
  CHECK(read(ends[0], &byte, 1) == 1);
  say("poll of none: %d", poll(both, two - 2, 10));
  writer = start(write_later, NULL);
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(ends[0] + (int)two - 2, &readable);
  say("select: %d", select(ends[0] + 1, &readable, NULL, NULL, NULL));
  join(writer);
  return 0;
}
