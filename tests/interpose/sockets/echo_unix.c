// Echo over UNIX stream sockets, whose short backlog makes clients wait in connect.
// oracle: threads-over-workers=2
#include "echo.h"

int main(void) {
  echo_listener = unix_listener((struct sockaddr_un*)&echo_address, &echo_length, SOCK_STREAM);
  echo_run();
  return 0;
}
