// A thread-per-connection echo server and its clients, over any stream listener.
#ifndef ECHO_H
#define ECHO_H

#include "net.h"

enum { echo_clients = 100, echo_rounds = 20 };

static int echo_listener, echo_right;
static struct sockaddr_storage echo_address;
static socklen_t echo_length;

static void* echo_serve(void* argument) {
  const int fd = (int)(long)argument;
  char buffer[4096];
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) > 0) {
    for (ssize_t sent = 0; sent < got;) {
      const ssize_t now = write(fd, buffer + sent, (size_t)(got - sent));
      CHECK(now > 0);
      sent += now;
    }
  }
  CHECK(got == 0);
  CHECK(close(fd) == 0);
  return NULL;
}

static void* echo_accept(void* unused) {
  pthread_t servers[echo_clients];
  for (int i = 0; i < echo_clients; ++i) {
    const int fd = accept(echo_listener, NULL, NULL);
    CHECK(fd >= 0);
    servers[i] = start(echo_serve, (void*)(long)fd);
  }
  for (int i = 0; i < echo_clients; ++i) join(servers[i]);
  return unused;
}

static void* echo_ask(void* argument) {
  const int me = (int)(long)argument;
  const int fd = socket(echo_address.ss_family, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK(connect(fd, (struct sockaddr*)&echo_address, echo_length) == 0);
  int right = 1;
  for (int round = 0; round < echo_rounds; ++round) {
    char question[3000], answer[3000];
    const size_t size = (size_t)(1 + (me * 131 + round * 977) % (int)sizeof question);
    memset(question, 'a' + (me + round) % 26, size);
    send_all(fd, question, size);
    right &= recv_all(fd, answer, size) && memcmp(question, answer, size) == 0;
  }
  CHECK(shutdown(fd, SHUT_WR) == 0);
  char byte;
  right &= recv(fd, &byte, 1, 0) == 0;
  CHECK(close(fd) == 0);
  if (right) __atomic_add_fetch(&echo_right, 1, __ATOMIC_RELAXED);
  return NULL;
}

// REQUIRES: echo_listener, echo_address and echo_length are set.
static inline void echo_run(void) {
  pthread_t clients[echo_clients];
  const pthread_t acceptor = start(echo_accept, NULL);
  for (long i = 0; i < echo_clients; ++i) clients[i] = start(echo_ask, (void*)i);
  for (int i = 0; i < echo_clients; ++i) join(clients[i]);
  join(acceptor);
  say("clients with %d right answers each: %d", echo_rounds, echo_right);
  CHECK(close(echo_listener) == 0);
}

#endif
