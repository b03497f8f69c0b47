// Urgent data on TCP: beside the stream, announced by poll and select, or in line.
#include "net.h"

#include <sys/select.h>

static int pair[2];

static void* send_urgent(void* unused) {
  usleep(5000);
  CHECK(send(pair[1], "!", 1, MSG_OOB) == 1);
  return unused;
}

int main(void) {
  char buffer[16];
  tcp_pair(pair);
  say_result("none there", recv(pair[0], buffer, 1, MSG_OOB));
  CHECK(send(pair[1], "abc", 3, 0) == 3);
  const pthread_t sender = start(send_urgent, NULL);
  struct pollfd urgent = {pair[0], POLLPRI, 0};
  say_result("poll for POLLPRI", poll(&urgent, 1, 9000));
  FACT("  POLLPRI is set", urgent.revents & POLLPRI);
  join(sender);

  fd_set exceptional;
  FD_ZERO(&exceptional);
  FD_SET(pair[0], &exceptional);
  say_result("select's third set", select(pair[0] + 1, NULL, NULL, &exceptional, NULL));
  FACT("  is set", FD_ISSET(pair[0], &exceptional));

  CHECK(send(pair[1], "def", 3, 0) == 3);
  int mark = -1;
  CHECK(ioctl(pair[0], SIOCATMARK, &mark) == 0);
  FACT("not at the mark yet", mark == 0);
  memset(buffer, 0, sizeof buffer);
  say_result("a read stops at the mark", recv(pair[0], buffer, sizeof buffer, 0));
  CHECK(ioctl(pair[0], SIOCATMARK, &mark) == 0);
  FACT("  at the mark", mark == 1);
  say_result("the urgent byte", recv(pair[0], buffer, 1, MSG_OOB));
  say("  '%c'", buffer[0]);
  say_result("only once", recv(pair[0], buffer, 1, MSG_OOB));
  say_result("the stream goes on", recv(pair[0], buffer, 3, MSG_WAITALL));
  say("  '%.3s'", buffer);

  const int on = 1;
  CHECK(setsockopt(pair[0], SOL_SOCKET, SO_OOBINLINE, &on, sizeof on) == 0);
  CHECK(send(pair[1], "gh", 2, 0) == 2 && send(pair[1], "?", 1, MSG_OOB) == 1);
  CHECK(send(pair[1], "ij", 2, 0) == 2);
  size_t have = 0;
  while (have < 5) {
    const ssize_t got = recv(pair[0], buffer + have, sizeof buffer - have, 0);
    CHECK(got > 0);
    have += (size_t)got;
  }
  say("in line: '%.5s'", buffer);
  // A blocked reader wakes for what follows urgent data, in whatever order the two arrive.
  const pthread_t again = start(send_urgent, NULL);
  say_result("a blocked read wakes for it", recv(pair[0], buffer, sizeof buffer, 0));
  join(again);
  return 0;
}
