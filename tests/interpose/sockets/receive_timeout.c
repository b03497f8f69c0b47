// SO_RCVTIMEO: EAGAIN in time, read back as set, for every receiving call and for accept.
#include "net.h"

static int pair[2];
static char buffer[100];

static void* receive_long(void* unused) {
  (void)unused;
  return (void*)(long)recv(pair[0], buffer, sizeof buffer, 0);
}

static void expect(const char* name, ssize_t result, long long began, long ms) {
  const int error = errno;
  const long long took = now_ms() - began;
  say("%s: %zd %s", name, result, error_name(error));
  FACT("  after the time set and below 5 s", took >= ms - 1 && took < 5000);
}

static void read_back(const char* name) {
  struct timeval limit;
  socklen_t length = sizeof limit;
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, &length) == 0);
  say("%s: %ld s %ld us, %u bytes", name, (long)limit.tv_sec, (long)limit.tv_usec,
      (unsigned)length);
}

static void every_call(const char* name) {
  say("-- %s", name);
  read_back("at first");
  set_timeout(pair[0], SO_RCVTIMEO, 60);
  read_back("set to 60 ms");
  struct iovec part = {buffer, sizeof buffer};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  struct mmsghdr several = {.msg_hdr = message};
  long long began = now_ms();
  expect("recv", recv(pair[0], buffer, 1, 0), began, 60);
  began = now_ms();
  expect("read", read(pair[0], buffer, 1), began, 60);
  began = now_ms();
  expect("readv", readv(pair[0], &part, 1), began, 60);
  began = now_ms();
  expect("recvfrom", recvfrom(pair[0], buffer, 1, 0, NULL, NULL), began, 60);
  began = now_ms();
  expect("recvmsg", recvmsg(pair[0], &message, 0), began, 60);
  began = now_ms();
  expect("recvmmsg", recvmmsg(pair[0], &several, 1, 0, NULL), began, 60);
  began = now_ms();
  expect("recv with MSG_PEEK", recv(pair[0], buffer, 1, MSG_PEEK), began, 60);

  const int copy = dup(pair[0]);
  began = now_ms();
  expect("recv on a duplicate", recv(copy, buffer, 1, 0), began, 60);
  CHECK(close(copy) == 0);

  set_timeout(pair[0], SO_RCVTIMEO, 9000);
  const pthread_t thread = start(receive_long, NULL);
  settle();
  CHECK(send(pair[1], "abc", 3, 0) == 3);
  say("data in time: %ld", (long)join(thread));
  set_timeout(pair[0], SO_RCVTIMEO, 0);
  read_back("set to zero");
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  every_call("UNIX stream");
  CHECK(send(pair[1], "ab", 2, 0) == 2);
  set_timeout(pair[0], SO_RCVTIMEO, 60);
  long long began = now_ms();
  expect("MSG_WAITALL gives what came", recv(pair[0], buffer, 5, MSG_WAITALL), began, 60);
  tcp_pair(pair);
  every_call("TCP");
  CHECK(send(pair[1], "ab", 2, 0) == 2);
  set_timeout(pair[0], SO_RCVTIMEO, 60);
  began = now_ms();
  expect("MSG_WAITALL gives what came", recv(pair[0], buffer, 5, MSG_WAITALL), began, 60);

  struct sockaddr_in address;
  const int listener = tcp_listener(&address, 5);
  set_timeout(listener, SO_RCVTIMEO, 60);
  began = now_ms();
  expect("accept", accept(listener, NULL, NULL), began, 60);
  const struct timeval bad = {0, 1000000}, negative = {-1, 0};
  FACT("too many microseconds: EDOM",
       setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof bad) == -1 && errno == EDOM);
  FACT("a negative time is none to wait",
       setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &negative, sizeof negative) == 0 &&
           accept(listener, NULL, NULL) == -1 && errno == EAGAIN);
  return 0;
}
