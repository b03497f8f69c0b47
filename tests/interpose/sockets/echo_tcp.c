// Echo over TCP, a thread for each of 100 connections and for each client.
// oracle: threads-over-workers=2
#include "echo.h"

int main(void) {
  echo_listener = tcp_listener((struct sockaddr_in*)&echo_address, 128);
  echo_length = sizeof(struct sockaddr_in);
  echo_run();
  return 0;
}
