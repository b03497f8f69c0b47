// Lengths known only at run time: with _FORTIFY_SOURCE these calls go to the checking twins
// (__recv_chk, __recvfrom_chk), which must block and wake as their plain forms do.
#include "net.h"

static int pair[2];
static volatile size_t five = 5;

static void* send_later(void* unused) {
  for (int i = 0; i < 5; ++i) {
    usleep(3000);
    CHECK(send(pair[1], "abcde" + i, 1, 0) == 1);
  }
  return unused;
}

static void exercise(const char* name) {
  char buffer[64];
  say("-- %s", name);
  pthread_t sender = start(send_later, NULL);
  say_result("recv waits", recv(pair[0], buffer, five - 4, 0));
  say_result("recv with WAITALL", recv(pair[0], buffer + 1, five - 1, MSG_WAITALL));
  say("  %.5s", buffer);
  join(sender);
  sender = start(send_later, NULL);
  say_result("recvfrom with WAITALL", recvfrom(pair[0], buffer, five, MSG_WAITALL, NULL, NULL));
  say("  %.5s", buffer);
  join(sender);
  sender = start(send_later, NULL);
  for (ssize_t have = 0; have < 5;) {
    const ssize_t got = read(pair[0], buffer, five);
    CHECK(got > 0);
    have += got;
  }
  join(sender);
  say_result("DONTWAIT", recv(pair[0], buffer, five, MSG_DONTWAIT));
}

int main(void) {
  tcp_pair(pair);
  exercise("TCP");
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  exercise("UNIX stream");
  return 0;
}
