// close and dup2 of a descriptor on which another thread waits. What the waiter is told differs
// between kernels and libraries; that it ends once its peer has gone, that the number can be used
// anew at once, and that the newcomer's data is the newcomer's, must hold.
#include "../check.h"

#include <fcntl.h>
#include <sys/socket.h>

static int pair[2], other[2];

static void* read_old(void* fd) {
  char byte = 'x';
  const ssize_t got = read(*(int*)fd, &byte, 1);
  // Natively the old description's end; EBADF would do.
  return (void*)(long)(got == 0 || (got == -1 && errno == EBADF));
}
static void* read_new(void* fd) {
  char byte;
  CHECK(read(*(int*)fd, &byte, 1) == 1);
  return (void*)(long)byte;
}

static void make(int ends[2], int sockets) {
  if (sockets)
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  else
    CHECK(pipe(ends) == 0);
}

static void exercise(const char* name, int sockets) {
  say("-- %s", name);
  make(pair, sockets);
  const int number = pair[0];
  pthread_t old = start(read_old, &pair[0]);
  settle();
  CHECK(close(number) == 0);
  FACT("closed: no descriptor", fcntl(number, F_GETFD) == -1 && errno == EBADF);
  make(other, sockets);
  FACT("the number is given out again", other[0] == number);
  const pthread_t newcomer = start(read_new, &other[0]);
  settle();
  CHECK(close(pair[1]) == 0);
  FACT("the old waiter ends once its peer has gone", join(old) != NULL);
  settle();
  CHECK(write(other[1], "n", 1) == 1);
  say("the new one reads '%c'", (char)(long)join(newcomer));
  CHECK(close(other[0]) == 0 && close(other[1]) == 0);

  make(pair, sockets);
  make(other, sockets);
  old = start(read_old, &pair[0]);
  settle();
  CHECK(dup2(other[0], pair[0]) == pair[0]);
  CHECK(write(other[1], "12", 2) == 2);
  CHECK(close(pair[1]) == 0);
  FACT("after dup2 the old waiter ends once its peer has gone", join(old) != NULL);
  say("the number reads '%c'", (char)(long)join(start(read_new, &pair[0])));
  say("the original reads '%c'", (char)(long)join(start(read_new, &other[0])));
  CHECK(close(pair[0]) == 0 && close(other[0]) == 0 && close(other[1]) == 0);
}

int main(void) {
  // The order matters to the first fact alone: let the waiter have read its number.
  exercise("sockets", 1);
  exercise("pipes", 0);
  FACT("close of no descriptor: EBADF", close(-1) == -1 && errno == EBADF);
  return 0;
}
