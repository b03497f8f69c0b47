// poll of what was read until it was empty: it waits, and sees all that comes later.
#include "../check.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>

static int ends[2][2];  // two TCP connections: [i][0] polls, [i][1] is its peer

static void connect_pair(int pair[2]) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t size = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(listener >= 0 && bind(listener, (struct sockaddr*)&address, sizeof address) == 0);
  CHECK(listen(listener, 1) == 0 && getsockname(listener, (struct sockaddr*)&address, &size) == 0);
  pair[1] = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(pair[1] >= 0 && connect(pair[1], (struct sockaddr*)&address, sizeof address) == 0);
  pair[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
  CHECK(pair[0] >= 0 && close(listener) == 0);
}

static bool empty(int fd) {
  char buffer[100];
  while (read(fd, buffer, sizeof buffer) > 0) {
  }
  return errno == EAGAIN;
}

static void* send_to_both(void* unused) {
  for (int i = 0; i < 200; ++i) {
    const int which = i / 3 % 2;
    struct pollfd echo = {ends[which][1], POLLIN, 0};
    CHECK(send(ends[which][1], "x", 1, 0) == 1);
    CHECK(poll(&echo, 1, 20000) == 1 && recv(ends[which][1], &(char){0}, 1, 0) == 1);
  }
  return unused;
}

// One or both, with and without urgent data asked for.
static void answer_each(short events, nfds_t most) {
  bool right = true;
  const pthread_t sender = start(send_to_both, NULL);
  for (int i = 0; i < 200; ++i) {
    const int which = i / 3 % 2;
    struct pollfd both[2] = {{ends[which][0], events, 77}, {ends[1 - which][0], events, 77}};
    right = poll(both, most, 20000) == 1 && both[0].revents == POLLIN && right;
    right = (most == 1 || both[1].revents == 0) && empty(both[0].fd) && right;
    CHECK(send(both[0].fd, "y", 1, 0) == 1);
  }
  join(sender);
  say("%d of them, events %d: %s", (int)most, events, right ? "yes" : "no");
}

static void* send_urgent(void* unused) {
  settle();
  CHECK(send(ends[0][1], "!", 1, MSG_OOB) == 1);
  return unused;
}

static void see_what_stays(void) {
  struct pollfd both[2] = {{ends[0][0], POLLIN | POLLPRI, 0}, {ends[1][0], POLLIN | POLLPRI, 0}};
  const pthread_t sender = start(send_urgent, NULL);
  FACT("urgent data is seen", poll(both, 2, 20000) == 1 && both[0].revents == POLLPRI);
  join(sender);
  FACT("nothing else is there", empty(both[0].fd));
  FACT("and the urgent data is over", poll(both, 2, 10) == 0 && both[0].revents == 0);
  FACT("also alone", poll(both, 1, 10) == 0 && both[0].revents == 0);
  CHECK(shutdown(ends[1][1], SHUT_WR) == 0);
  FACT("the end is seen", poll(both, 2, 20000) == 1 && both[1].revents == POLLIN);
  FACT("again, after it was read", recv(both[1].fd, &(char){0}, 1, 0) == 0 &&
                                       poll(both, 2, 20000) == 1 && both[1].revents == POLLIN);
}

static void* run(void* unused) {
  connect_pair(ends[0]);
  connect_pair(ends[1]);
  answer_each(POLLIN, 1);
  answer_each(POLLIN, 2);
  answer_each(POLLIN | POLLPRI, 1);
  answer_each(POLLIN | POLLPRI, 2);
  see_what_stays();
  return unused;
}

int main(void) {
  join(start(run, NULL));
  return 0;
}
