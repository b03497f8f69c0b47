#define _GNU_SOURCE
#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cpu.h"

static char received[65536];

static _Noreturn void fail(const char* what) {
  fprintf(stderr, "load_generator: %s: %s\n", what, strerror(errno));
  exit(1);
}

// Each connection that fails is an error of the server's.
static _Noreturn void lose(const struct connection* c, const char* what) {
  fprintf(stderr, "load_generator: connection %u, request %u: %s\n", c->exchange.connection,
          c->exchange.sequence, what);
  exit(1);
}

static void raise_descriptor_limit(int connections) {
  rlim_t wanted = (rlim_t)connections + 20;
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("descriptor limit");
  if (limit.rlim_cur >= wanted) return;
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  if (setrlimit(RLIMIT_NOFILE, &limit) == 0) return;
  fprintf(stderr,
          "load_generator: %d connections need more descriptors than this process may have\n",
          connections);
  exit(2);
}

void client_start(struct client* c, const struct options* options) {
  exchange_start();
  raise_descriptor_limit(options->connections);
  c->options = options;
  c->epoll = epoll_create1(EPOLL_CLOEXEC);
  if (c->epoll < 0) fail("epoll");
  c->connections = calloc((size_t)options->connections, sizeof *c->connections);
  if (c->connections == NULL) fail("memory");
  for (int i = 0; i < options->connections; ++i) {
    c->connections[i].fd = -1;
    c->connections[i].exchange.connection = (uint32_t)i;
  }
}

// ---- One exchange

static void end_exchange(struct client* c, struct connection* conn);

// Sends what is left of the request.
static void send_rest(struct client* c, struct connection* conn) {
  char request[longest_request];
  size_t size = exchange_request(c->options, &conn->exchange, request);
  while (conn->sent < size) {
    ssize_t n = send(conn->fd, request + conn->sent, size - conn->sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) lose(conn, strerror(errno));
    conn->sent += (size_t)n;
  }
}

static void ask(struct client* c, struct connection* conn) {
  conn->state = asking;
  conn->sent = 0;
  conn->exchange.seen = 0;
  send_rest(c, conn);
}

// The server accepts and answers at once, so that its queue does not overflow while it is slow.
static void open_connection(struct client* c, struct connection* conn) {
  int on = 1;
  conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (conn->fd < 0) fail("socket");
  setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET};
  if (c->options->addresses > 0) {
    // The port is chosen when the peer is known: only the pair must be unique.
    setsockopt(conn->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    uint32_t which = conn->exchange.connection % (uint32_t)c->options->addresses;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + which);
    if (bind(conn->fd, (struct sockaddr*)&address, sizeof address) != 0) fail("client address");
  }
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)c->options->port);
  conn->state = connecting;
  if (connect(conn->fd, (struct sockaddr*)&address, sizeof address) != 0 && errno != EINPROGRESS)
    fail("connect");
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn};
  if (epoll_ctl(c->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0) fail("epoll_ctl");
}

static void begin_exchange(struct client* c, struct connection* conn, int64_t now) {
  ++c->under_way;
  ++conn->exchange.sequence;
  conn->begun = now;
  if (conn->fd < 0)
    open_connection(c, conn);
  else
    ask(c, conn);
}

static void end_exchange(struct client* c, struct connection* conn) {
  int64_t now = now_ns();
  --c->under_way;
  ++c->ended;
  conn->state = resting;
  if (c->measures) histogram_add(&c->latencies, (uint64_t)(now - conn->begun));
  if (c->goes_on) begin_exchange(c, conn, now);
}

static void hang_up(struct connection* conn) {
  close(conn->fd);
  conn->fd = -1;
}

static void answered(struct client* c, struct connection* conn) {
  if (c->options->work != work_churn) return end_exchange(c, conn);
  conn->state = closing;
  if (shutdown(conn->fd, SHUT_WR) != 0) lose(conn, "the server has closed it already");
}

// ---- Events

static void finish_connecting(struct client* c, struct connection* conn) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) lose(conn, strerror(error));
  ask(c, conn);
}

static void receive(struct client* c, struct connection* conn) {
  for (;;) {
    ssize_t n = recv(conn->fd, received, sizeof received, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) lose(conn, strerror(errno));
    if (n == 0 && conn->state == closing) {
      hang_up(conn);
      return end_exchange(c, conn);
    }
    if (n == 0) lose(conn, "the server has closed it");
    if (conn->state != asking) lose(conn, "bytes that nobody asked for");
    switch (exchange_check(c->options, &conn->exchange, received, (size_t)n)) {
      case answer_wrong: lose(conn, "a wrong answer");
      case answer_complete: answered(c, conn); break;
      case answer_incomplete: break;
    }
    if ((size_t)n < sizeof received) return;
  }
}

static void handle(struct client* c, struct connection* conn, uint32_t events) {
  if (conn->state == connecting) {
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) finish_connecting(c, conn);
    return;
  }
  if (conn->fd < 0) return;
  if ((events & EPOLLOUT) && conn->state == asking) send_rest(c, conn);
  if (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) receive(c, conn);
}

void client_look(struct client* c, int64_t until) {
  struct epoll_event events[256];
  int64_t left = until - now_ns();
  int timeout = left <= 0 ? 0 : (int)(left / 1000000 + 1);
  int count = epoll_wait(c->epoll, events, 256, timeout);
  if (count < 0 && errno != EINTR) fail("epoll_wait");
  for (int i = 0; i < count; ++i) handle(c, events[i].data.ptr, events[i].events);
}

// ---- All

void client_open_next(struct client* c) {
  begin_exchange(c, &c->connections[c->opened++], now_ns());
}

void client_begin_all(struct client* c) {
  c->goes_on = true;
  for (int i = 0; i < c->options->connections; ++i) begin_exchange(c, &c->connections[i], now_ns());
}

void client_close_all(struct client* c) {
  for (int i = 0; i < c->options->connections; ++i)
    if (c->connections[i].fd >= 0) hang_up(&c->connections[i]);
  close(c->epoll);
  free(c->connections);
}
