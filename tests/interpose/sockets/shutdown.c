// shutdown wakes whoever waits, at either end; half-closed connections go on the other way.
#include "net.h"

static int pair[2], listener;
static char byte;

static void* receive(void* fd) {
  errno = 0;
  const ssize_t got = recv(*(int*)fd, &byte, 1, 0);
  return (void*)(long)(got >= 0 ? got : -errno);
}
static void* accept_one(void* unused) {
  (void)unused;
  return (void*)(long)(accept(listener, NULL, NULL) >= 0 ? 0 : -errno);
}
static void* poll_one(void* fd) {
  struct pollfd one = {*(int*)fd, POLLIN | POLLRDHUP, 0};
  CHECK(poll(&one, 1, 9000) == 1);
  return (void*)(long)one.revents;
}

static long woken(void* (*body)(void*), int* waits_on, int shut, int how) {
  const pthread_t thread = start(body, waits_on);
  settle();
  CHECK(shutdown(shut, how) == 0);
  return (long)join(thread);
}

static void exercise(const char* name, int tcp) {
  say("-- %s", name);
  int ends[3][2];
  for (int i = 0; i < 3; ++i) {
    if (tcp)
      tcp_pair(ends[i]);
    else
      CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]) == 0);
  }
  memcpy(pair, ends[0], sizeof pair);
  say("SHUT_RD of one's own: recv %ld", woken(receive, &pair[0], pair[0], SHUT_RD));
  memcpy(pair, ends[1], sizeof pair);
  say("SHUT_WR of the peer's: recv %ld", woken(receive, &pair[0], pair[1], SHUT_WR));
  CHECK(send(pair[0], "x", 1, 0) == 1);
  say_result("  the other way still works", recv(pair[1], &byte, 1, 0));
  say_result("  what was shut does not", send(pair[1], "x", 1, MSG_NOSIGNAL));
  say_result("  end of stream again", recv(pair[0], &byte, 1, 0));
  memcpy(pair, ends[2], sizeof pair);
  const long seen = woken(poll_one, &pair[0], pair[1], SHUT_RDWR);
  FACT("SHUT_RDWR of the peer's: POLLIN and POLLRDHUP",
       (seen & (POLLIN | POLLRDHUP)) == (POLLIN | POLLRDHUP));
}

int main(void) {
  exercise("TCP", 1);
  exercise("UNIX stream", 0);

  struct sockaddr_in address;
  listener = tcp_listener(&address, 5);
  say("shutdown of a TCP listener: accept %s",
      error_name(-(int)woken(accept_one, NULL, listener, SHUT_RDWR)));
  struct sockaddr_un unix_address;
  socklen_t length;
  listener = unix_listener(&unix_address, &length, SOCK_STREAM);
  say("shutdown of a UNIX listener: accept %s",
      error_name(-(int)woken(accept_one, NULL, listener, SHUT_RDWR)));

  const int unconnected = socket(AF_INET, SOCK_STREAM, 0);
  FACT("shutdown without a connection: ENOTCONN",
       shutdown(unconnected, SHUT_RDWR) == -1 && errno == ENOTCONN);
  FACT("shutdown of a pipe: ENOTSOCK",
       pipe(pair) == 0 && shutdown(pair[0], SHUT_RD) == -1 && errno == ENOTSOCK);
  return 0;
}
