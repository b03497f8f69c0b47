// SO_SNDTIMEO: what fits is sent and counted, then EAGAIN; connect gives up as well.
#include "net.h"

static char block[1 << 20];

static void fill(const char* name, int pair[2]) {
  say("-- %s", name);
  set_timeout(pair[0], SO_SNDTIMEO, 60);
  struct timeval limit;
  socklen_t length = sizeof limit;
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, &length) == 0);
  say("read back: %ld s %ld us", (long)limit.tv_sec, (long)limit.tv_usec);

  ssize_t sent, total = 0;
  int parts = 0;
  long long began = now_ms();
  while ((sent = send(pair[0], block, sizeof block, 0)) > 0) {
    total += sent;
    parts += sent < (ssize_t)sizeof block;
    if (sent < (ssize_t)sizeof block) CHECK(now_ms() - began >= 59);
    began = now_ms();
  }
  say_result("send to a full buffer", sent);
  FACT("  after at least 60 ms and below 5 s", now_ms() - began >= 59 && now_ms() - began < 5000);
  FACT("  the one before was sent in part", parts > 0);

  // Everything that was counted arrives, nothing else.
  CHECK(shutdown(pair[0], SHUT_WR) == 0);
  ssize_t arrived = 0, got;
  while ((got = read(pair[1], block, sizeof block)) > 0) arrived += got;
  FACT("what was counted arrived", arrived == total);
  CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

int main(void) {
  int pair[2];
  tcp_pair(pair);
  fill("TCP", pair);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  fill("UNIX stream", pair);

  // A UNIX listener whose backlog is full makes connect wait; SO_SNDTIMEO limits that.
  struct sockaddr_un address;
  socklen_t length;
  const int listener = unix_listener(&address, &length, SOCK_STREAM);
  CHECK(listen(listener, 0) == 0);
  int waiting[10], count = 0, error = 0;
  const long long began = now_ms();
  while (count < 10 && error == 0) {
    waiting[count] = socket(AF_UNIX, SOCK_STREAM, 0);
    set_timeout(waiting[count], SO_SNDTIMEO, 60);
    if (connect(waiting[count], (struct sockaddr*)&address, length) != 0) error = errno;
    ++count;
  }
  say("connect %d to a backlog of 0: %s", count, error_name(error));
  FACT("  after at least 60 ms", now_ms() - began >= 59);
  return 0;
}
