// Errors of the epoll family.
#include "../check.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static void* all_of_them(void* unused) {
  int pair[2];
  struct epoll_event event = {.events = EPOLLIN};
  const int epoll = epoll_create1(0);
  CHECK(epoll >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  FACT("added twice: EEXIST", epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) == 0 &&
                                  epoll_ctl(epoll, EPOLL_CTL_ADD, pair[0], &event) == -1 &&
                                  errno == EEXIST);
  FACT("changed but not there: ENOENT",
       epoll_ctl(epoll, EPOLL_CTL_MOD, pair[1], &event) == -1 && errno == ENOENT);
  FACT("removed but not there: ENOENT",
       epoll_ctl(epoll, EPOLL_CTL_DEL, pair[1], &event) == -1 && errno == ENOENT);
  FACT("a closed number: EBADF",
       epoll_ctl(epoll, EPOLL_CTL_ADD, 999, &event) == -1 && errno == EBADF);
  FACT("no epoll: EINVAL",
       epoll_ctl(pair[0], EPOLL_CTL_ADD, pair[1], &event) == -1 && errno == EINVAL);
  FACT("itself: EINVAL", epoll_ctl(epoll, EPOLL_CTL_ADD, epoll, &event) == -1 && errno == EINVAL);
  FACT("a regular file: EPERM",
       epoll_ctl(epoll, EPOLL_CTL_ADD, open("/proc/self/exe", O_RDONLY), &event) == -1 &&
           errno == EPERM);
  FACT("an operation that is none: EINVAL",
       epoll_ctl(epoll, 77, pair[0], &event) == -1 && errno == EINVAL);
  FACT("wait for no events: EINVAL", epoll_wait(epoll, &event, 0, 0) == -1 && errno == EINVAL);
  FACT("wait on a closed number: EBADF", epoll_wait(999, &event, 1, 0) == -1 && errno == EBADF);
  FACT("wait on no epoll: EINVAL", epoll_wait(pair[0], &event, 1, 0) == -1 && errno == EINVAL);
  FACT("epoll_create of nothing: EINVAL", epoll_create(0) == -1 && errno == EINVAL);
  FACT("epoll_create1 with flags that are none: EINVAL",
       epoll_create1(0x1234) == -1 && errno == EINVAL);
  FACT("EPOLL_CLOEXEC", fcntl(epoll_create1(EPOLL_CLOEXEC), F_GETFD) == FD_CLOEXEC);
  CHECK(close(epoll) == 0 && close(pair[0]) == 0 && close(pair[1]) == 0);
  return unused;
}

int main(void) {
  join(start(all_of_them, NULL));
  all_of_them(NULL);
  return 0;
}
