// Calls with a length of zero, each with its own meaning.
#include "net.h"

static int pair[2];

static void* send_later(void* unused) {
  usleep(20000);
  CHECK(send(pair[1], "x", 1, 0) == 1);
  return unused;
}

static void exercise(const char* name) {
  char byte;
  say("-- %s", name);
  const long long began = now_ms();
  say_result("read of nothing, nothing there", read(pair[0], &byte, 0));
  FACT("  at once", now_ms() - began < 5000);
  say_result("DONTWAIT recv of nothing, nothing there", recv(pair[0], &byte, 0, MSG_DONTWAIT));
  const pthread_t sender = start(send_later, NULL);
  say_result("recv of nothing waits for something", recv(pair[0], &byte, 0, 0));
  join(sender);
  say_result("recv of nothing, something there", recv(pair[0], &byte, 0, 0));
  say_result("  which is still there", recv(pair[0], &byte, 1, 0));
  say_result("write of nothing", write(pair[0], "", 0));
  say_result("send of nothing", send(pair[0], "", 0, 0));
  say_result("  which sent nothing", recv(pair[1], &byte, 1, MSG_DONTWAIT));
  say_result("writev of no parts", writev(pair[0], NULL, 0));
  say_result("readv of no parts", readv(pair[0], NULL, 0));
}

int main(void) {
  tcp_pair(pair);
  exercise("TCP");
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  exercise("UNIX stream");
  return 0;
}
