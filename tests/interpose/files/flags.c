// F_GETFL, F_SETFL, FIONBIO and their effect, over duplicates and kinds of descriptor.
#include "../check.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static void say_flags(const char* name, int fd) {
  const int flags = fcntl(fd, F_GETFL);
  const char* const access[4] = {"read", "write", "both", "?"};
  say("%s: %s%s%s%s", name, access[flags & O_ACCMODE], flags & O_NONBLOCK ? ", non-blocking" : "",
      flags & O_APPEND ? ", append" : "", flags & O_ASYNC ? ", async" : "");
}

static void* all_of_them(void* unused) {
  int ends[2], on = 1;
  char byte;
  CHECK(pipe(ends) == 0);
  say_flags("pipe, reading end", ends[0]);
  say_flags("pipe, writing end", ends[1]);
  CHECK(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0);
  say_flags("  made non-blocking", ends[0]);
  FACT("  reads EAGAIN", read(ends[0], &byte, 1) == -1 && errno == EAGAIN);
  const int copy = dup(ends[0]);
  say_flags("  its duplicate", copy);
  CHECK(fcntl(copy, F_SETFL, 0) == 0);
  say_flags("  made blocking through the duplicate", ends[0]);
  CHECK(ioctl(ends[0], FIONBIO, &on) == 0);
  say_flags("  FIONBIO", copy);
  FACT("  the duplicate reads EAGAIN", read(copy, &byte, 1) == -1 && errno == EAGAIN);
  CHECK(fcntl(ends[0], F_SETFL, fcntl(ends[0], F_GETFL) & ~O_NONBLOCK) == 0);
  say_flags("  and off", copy);
  FACT("FD_CLOEXEC is not shared",
       fcntl(copy, F_SETFD, FD_CLOEXEC) == 0 && fcntl(ends[0], F_GETFD) == 0);
  CHECK(ioctl(ends[0], FIOCLEX) == 0);
  FACT("FIOCLEX sets it", fcntl(ends[0], F_GETFD) == FD_CLOEXEC);
  CHECK(ioctl(ends[0], FIONCLEX) == 0);
  FACT("FIONCLEX clears it", fcntl(ends[0], F_GETFD) == 0);

  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
  say_flags("socket", pair[0]);
  CHECK(fcntl(pair[0], F_SETFL, O_NONBLOCK | O_APPEND) == 0);
  say_flags("  with more", pair[0]);
  say_flags("  its peer", pair[1]);
  CHECK(fcntl(pair[0], F_SETFL, 0) == 0);
  say_flags("  with less", pair[0]);
  const int regular = open("/dev/zero", O_RDONLY | O_NONBLOCK);
  say_flags("/dev/zero", regular);
  FACT("F_GETFL of no descriptor: EBADF", fcntl(-1, F_GETFL) == -1 && errno == EBADF);
  FACT("F_SETFL of no descriptor: EBADF", fcntl(-1, F_SETFL, 0) == -1 && errno == EBADF);
  FACT("FIONBIO of no descriptor: EBADF", ioctl(-1, FIONBIO, &on) == -1 && errno == EBADF);
  for (int fd = 0; fd < 2; ++fd) CHECK(close(ends[fd]) == 0 && close(pair[fd]) == 0);
  CHECK(close(copy) == 0 && close(regular) == 0);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
