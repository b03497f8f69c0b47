// close_range and closefrom: what was in the range is gone, waiters elsewhere are undisturbed, and
// the numbers serve anew.
#include "../check.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/socket.h>

static void* read_one(void* fd) {
  char byte = 0;
  CHECK(read(*(int*)fd, &byte, 1) == 1);
  return (void*)(long)byte;
}

static int open_from(int first, int last) {
  int count = 0;
  for (int fd = first; fd <= last; ++fd) count += fcntl(fd, F_GETFD) != -1;
  return count;
}

int main(void) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const pthread_t waiter = start(read_one, &pair[0]);
  settle();
  for (int fd = 100; fd < 150; ++fd) CHECK(dup2(pair[0], fd) == fd);
  say("open: %d", open_from(100, 149));
  CHECK(close_range(110, 119, 0) == 0);
  say("after close_range of ten: %d", open_from(100, 149));
  CHECK(close_range(120, 129, CLOSE_RANGE_CLOEXEC) == 0);
  say("marked, not closed: %d, close-on-exec %d", open_from(100, 149),
      fcntl(120, F_GETFD) == FD_CLOEXEC && fcntl(130, F_GETFD) == 0);
  FACT("a range upside down: EINVAL", close_range(10, 5, 0) == -1 && errno == EINVAL);
  closefrom(140);
  say("after closefrom: %d", open_from(100, 149));
  CHECK(write(pair[1], "w", 1) == 1);
  say("the waiter reads '%c'", (char)(long)join(waiter));

  int fresh[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh) == 0);
  CHECK(dup2(fresh[0], 112) == 112);
  int number = 112;
  const pthread_t again = start(read_one, &number);
  settle();
  CHECK(write(fresh[1], "a", 1) == 1);
  say("a closed number in new use reads '%c'", (char)(long)join(again));
  CHECK(close_range(100, ~0u, 0) == 0);
  say("after all: %d", open_from(100, 149));
  return 0;
}
