// What comes of a peer that went: EPIPE with and without SIGPIPE, ECONNRESET for whoever waits.
#include "net.h"

static volatile sig_atomic_t signals;
static int pair[2];
static char block[1 << 20];

static void count(int number) {
  (void)number;
  ++signals;
}
static void* receive(void* unused) {
  char byte;
  (void)unused;
  return (void*)(long)(recv(pair[0], &byte, 1, 0) < 0 ? errno : 0);
}
static void* send_much(void* unused) {
  ssize_t sent;
  (void)unused;
  while ((sent = send(pair[0], block, sizeof block, MSG_NOSIGNAL)) > 0) {
  }
  return (void*)(long)errno;
}
static void reset(int fd) {
  const struct linger now = {1, 0};
  CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
  CHECK(close(fd) == 0);
}

static void broken_pipe(const char* name, int tcp) {
  say("-- %s", name);
  if (tcp)
    tcp_pair(pair);
  else
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(close(pair[1]) == 0);
  // The first send after TCP's peer closed still goes out; its answer breaks the connection.
  if (tcp) {
    CHECK(send(pair[0], "x", 1, 0) == 1);
    struct pollfd gone = {pair[0], 0, 0};
    CHECK(poll(&gone, 1, 9000) == 1);
    CHECK(recv(pair[0], block, 1, 0) <= 0);
  }
  signals = 0;
  say_result("send with MSG_NOSIGNAL", send(pair[0], "x", 1, MSG_NOSIGNAL));
  say("  signals: %d", (int)signals);
  say_result("send", send(pair[0], "x", 1, 0));
  say("  signals: %d", (int)signals);
  say_result("write", write(pair[0], "x", 1));
  say("  signals: %d", (int)signals);
  struct iovec part = {block, 10};
  say_result("writev", writev(pair[0], &part, 1));
  say("  signals: %d", (int)signals);
  const struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  say_result("sendmsg", sendmsg(pair[0], &message, 0));
  say("  signals: %d", (int)signals);
  CHECK(close(pair[0]) == 0);
}

int main(void) {
  handle(SIGPIPE, count, 0);
  broken_pipe("TCP", 1);
  broken_pipe("UNIX stream", 0);

  tcp_pair(pair);
  pthread_t thread = start(receive, NULL);
  settle();
  reset(pair[1]);
  say("a reader whose connection is reset: %s", error_name((int)(long)join(thread)));
  char byte;
  say_result("  and after that", recv(pair[0], &byte, 1, 0));
  CHECK(close(pair[0]) == 0);

  tcp_pair(pair);
  thread = start(send_much, NULL);
  settle();
  reset(pair[1]);
  const int error = (int)(long)join(thread);
  FACT("a writer whose connection is reset: ECONNRESET or EPIPE",
       error == ECONNRESET || error == EPIPE);
  CHECK(close(pair[0]) == 0);

  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  thread = start(send_much, NULL);
  settle();
  CHECK(close(pair[1]) == 0);
  const int unix_error = (int)(long)join(thread);
  FACT("a UNIX writer whose peer closes: EPIPE or ECONNRESET",
       unix_error == EPIPE || unix_error == ECONNRESET);
  return 0;
}
