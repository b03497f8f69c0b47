// SIGPIPE without a handler ends the process, from a thread's write to a socket as from any other.
// oracle: signal=PIPE
#include "../check.h"

#include <sys/socket.h>

static void* write_to_nobody(void* unused) {
  int pair[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && close(pair[1]) == 0);
  say("writing");
  CHECK(write(pair[0], "x", 1) == 1);
  return unused;
}

int main(void) {
  join(start(write_to_nobody, NULL));
  say("not reached");
  return 0;
}
