// An event-driven server with a pool: 8 threads in epoll_wait on one epoll, one-shot connections,
// 50 blocking clients. Every question has one answer, no connection is served by two at once.
#include "../sockets/net.h"

#include <sys/epoll.h>

enum { servers = 8, clients = 50, rounds = 40 };
static int epoll, listener, busy[20000], overlaps, right, stop[2];

static void arm(int operation, int fd) {
  struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT | EPOLLET, .data.fd = fd};
  CHECK(epoll_ctl(epoll, operation, fd, &event) == 0);
}

static void serve(int fd) {
  char buffer[256];
  if (__atomic_exchange_n(&busy[fd], 1, __ATOMIC_SEQ_CST)) ++overlaps;
  ssize_t got;
  while ((got = recv(fd, buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
    send_all(fd, buffer, (size_t)got);
  __atomic_store_n(&busy[fd], 0, __ATOMIC_SEQ_CST);
  if (got == 0)
    CHECK(close(fd) == 0);
  else
    arm(EPOLL_CTL_MOD, fd);
}

static void* serve_all(void* unused) {
  for (;;) {
    struct epoll_event events[4];
    const int count = epoll_wait(epoll, events, 4, -1);
    CHECK(count > 0);
    for (int i = 0; i < count; ++i) {
      if (events[i].data.fd == stop[0]) return unused;
      if (events[i].data.fd != listener) {
        serve(events[i].data.fd);
        continue;
      }
      int fd;
      while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) arm(EPOLL_CTL_ADD, fd);
      arm(EPOLL_CTL_MOD, listener);
    }
  }
}

static void* ask(void* address) {
  const int fd = tcp_connect(address);
  int good = 0;
  for (int i = 0; i < rounds; ++i) {
    char question[200], answer[200];
    memset(question, i, sizeof question);
    send_all(fd, question, sizeof question);
    good += recv_all(fd, answer, sizeof answer) && memcmp(question, answer, sizeof answer) == 0;
  }
  CHECK(close(fd) == 0);
  __atomic_add_fetch(&right, good, __ATOMIC_RELAXED);
  return NULL;
}

int main(void) {
  struct sockaddr_in address;
  pthread_t server[servers], client[clients];
  epoll = epoll_create1(0);
  listener = tcp_listener(&address, 128);
  CHECK(fcntl(listener, F_SETFL, O_NONBLOCK) == 0 && pipe(stop) == 0);
  arm(EPOLL_CTL_ADD, listener);
  struct epoll_event event = {.events = EPOLLIN, .data.fd = stop[0]};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, stop[0], &event) == 0);
  for (int i = 0; i < servers; ++i) server[i] = start(serve_all, NULL);
  for (int i = 0; i < clients; ++i) client[i] = start(ask, &address);
  for (int i = 0; i < clients; ++i) join(client[i]);
  CHECK(write(stop[1], "x", 1) == 1);
  for (int i = 0; i < servers; ++i) join(server[i]);
  say("right answers: %d, overlaps: %d", right, overlaps);
  return 0;
}
