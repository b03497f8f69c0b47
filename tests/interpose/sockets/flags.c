// MSG_DONTWAIT, MSG_PEEK, MSG_WAITALL, MSG_TRUNC and their combinations on streams.
#include "net.h"

static int pair[2];
static char buffer[64];

static void* send_in_pieces(void* unused) {
  for (int i = 0; i < 5; ++i) {
    usleep(2000);
    CHECK(send(pair[1], "abcdefgh" + i, 1, 0) == 1);
  }
  return unused;
}
static void* send_some_and_close(void* unused) {
  CHECK(send(pair[1], "xyz", 3, 0) == 3);
  usleep(2000);
  CHECK(shutdown(pair[1], SHUT_WR) == 0);
  return unused;
}

static void exercise(const char* name) {
  say("-- %s", name);
  say_result("DONTWAIT with nothing there", recv(pair[0], buffer, 1, MSG_DONTWAIT));
  say_result("DONTWAIT and PEEK", recv(pair[0], buffer, 1, MSG_DONTWAIT | MSG_PEEK));
  FACT("the descriptor stays blocking", (fcntl(pair[0], F_GETFL) & O_NONBLOCK) == 0);

  pthread_t sender = start(send_in_pieces, NULL);
  say_result("WAITALL takes all the pieces", recv(pair[0], buffer, 5, MSG_WAITALL));
  say("  %.5s", buffer);
  join(sender);

  sender = start(send_in_pieces, NULL);
  say_result("PEEK waits for the first", recv(pair[0], buffer, 1, MSG_PEEK));
  say("  %.1s", buffer);
  join(sender);
  say_result("PEEK and WAITALL", recv(pair[0], buffer, 5, MSG_PEEK | MSG_WAITALL));
  say_result("  leaves them there", recv(pair[0], buffer, sizeof buffer, 0));
  say("  %.5s", buffer);

  CHECK(send(pair[1], "12345", 5, 0) == 5);
  say_result("WAITALL and DONTWAIT", recv(pair[0], buffer, 10, MSG_WAITALL | MSG_DONTWAIT));
  CHECK(send(pair[1], "1234567", 7, 0) == 7);
  say_result("a short buffer", recv(pair[0], buffer, 3, 0));
  say_result("  the rest", recv(pair[0], buffer, sizeof buffer, 0));

  struct iovec parts[2] = {{buffer, 3}, {buffer + 3, 4}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  sender = start(send_in_pieces, NULL);
  CHECK(send(pair[1], "QR", 2, 0) == 2);
  say_result("recvmsg with WAITALL", recvmsg(pair[0], &message, MSG_WAITALL));
  join(sender);

  sender = start(send_some_and_close, NULL);
  say_result("WAITALL until the end", recv(pair[0], buffer, 10, MSG_WAITALL));
  join(sender);
  say_result("after the end", recv(pair[0], buffer, 1, 0));
  say_result("  with DONTWAIT", recv(pair[0], buffer, 1, MSG_DONTWAIT));
  say_result("  with PEEK", recv(pair[0], buffer, 1, MSG_PEEK));
}

int main(void) {
  tcp_pair(pair);
  exercise("TCP");
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  exercise("UNIX stream");
  return 0;
}
