// dup, dup2, dup3, F_DUPFD: numbers, flags, and blocking calls through any of the numbers.
#include "../check.h"

#include <fcntl.h>
#include <sys/socket.h>

// The byte read, or 0.
static void* read_one(void* fd) {
  char byte = 0;
  return (void*)(long)(read((int)(long)fd, &byte, 1) == 1 ? byte : 0);
}
static char read_in_thread(int fd) { return (char)(long)join(start(read_one, (void*)(long)fd)); }

int main(void) {
  int pair[2], other[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, other) == 0);
  const int copy = dup(pair[0]);
  const int high = fcntl(pair[0], F_DUPFD, 500);
  const int high_cloexec = fcntl(pair[0], F_DUPFD_CLOEXEC, 500);
  say("F_DUPFD from 500: %d, then %d", high, high_cloexec);
  FACT("flags of the copies", fcntl(copy, F_GETFD) == 0 && fcntl(high, F_GETFD) == 0 &&
                                  fcntl(high_cloexec, F_GETFD) == FD_CLOEXEC);
  // A reader on each number: each gets one byte of the one stream.
  pthread_t readers[4] = {start(read_one, (void*)(long)pair[0]), start(read_one, (void*)(long)copy),
                          start(read_one, (void*)(long)high),
                          start(read_one, (void*)(long)high_cloexec)};
  settle();
  CHECK(write(pair[1], "abcd", 4) == 4);
  long bytes = 0;
  for (int i = 0; i < 4; ++i) bytes += join(readers[i]) != NULL;
  say("four readers through four numbers: %ld", bytes);

  // The first number closed: the others still work, and still wake.
  CHECK(close(pair[0]) == 0);
  readers[0] = start(read_one, (void*)(long)copy);
  settle();
  CHECK(write(pair[1], "e", 1) == 1);
  say("after the first was closed: '%c'", (char)(long)join(readers[0]));

  CHECK(dup2(other[0], copy) == copy);
  CHECK(write(other[1], "f", 1) == 1);
  say("dup2 replaced one: '%c'", read_in_thread(copy));
  CHECK(write(pair[1], "g", 1) == 1);
  say("the others are as before: '%c'", read_in_thread(high));
  FACT("dup2 on itself", dup2(high, high) == high);
  FACT("dup3 on itself: EINVAL", dup3(high, high, 0) == -1 && errno == EINVAL);
  FACT("dup3 with O_CLOEXEC",
       dup3(high, 600, O_CLOEXEC) == 600 && fcntl(600, F_GETFD) == FD_CLOEXEC);
  FACT("dup of no descriptor: EBADF", dup(-1) == -1 && errno == EBADF);
  FACT("dup2 of no descriptor: EBADF", dup2(-1, 5) == -1 && errno == EBADF);
  FACT("dup2 to no number: EBADF", dup2(high, -1) == -1 && errno == EBADF);
  CHECK(close(high) == 0 && close(high_cloexec) == 0);
  readers[0] = start(read_one, (void*)600L);
  settle();
  CHECK(write(pair[1], "h", 1) == 1);
  say("through the last number left: '%c'", (char)(long)join(readers[0]));
  CHECK(close(600) == 0);
  signal(SIGPIPE, SIG_IGN);
  FACT("then the peer is alone: EPIPE", write(pair[1], "i", 1) == -1 && errno == EPIPE);
  return 0;
}
