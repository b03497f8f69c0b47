// SO_RCVLOWAT: a blocking receive waits for as much as it says, poll on TCP as well.
#include "net.h"

static int pair[2];

static void* send_in_pieces(void* unused) {
  for (int i = 0; i < 10; ++i) {
    usleep(3000);
    CHECK(send(pair[1], "0123456789", 10, 0) == 10);
  }
  return unused;
}

static void exercise(const char* name) {
  char buffer[1000];
  const int mark = 100;
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof mark) == 0);
  pthread_t sender = start(send_in_pieces, NULL);
  say("%s: recv of up to 1000 with a mark of 100: %zd", name,
      recv(pair[0], buffer, sizeof buffer, 0));
  join(sender);
  sender = start(send_in_pieces, NULL);
  say("%s: recv of up to 20: %zd", name, recv(pair[0], buffer, 20, 0));
  join(sender);
  say("%s: the rest: %zd", name, recv(pair[0], buffer, 80, 0));
}

int main(void) {
  tcp_pair(pair);
  exercise("TCP");
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  exercise("UNIX stream");
  return 0;
}
