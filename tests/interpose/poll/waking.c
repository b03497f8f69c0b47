// poll, ppoll, select and pselect wake for what other threads do, several pollers for one event.
#include "../check.h"

#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

static int pair[2];

static void* by_poll(void* unused) {
  (void)unused;
  struct pollfd one = {pair[0], POLLIN, 0};
  return (void*)(long)(poll(&one, 1, 9000) == 1 && one.revents == POLLIN);
}
static void* by_ppoll(void* unused) {
  (void)unused;
  struct pollfd one = {pair[0], POLLIN, 0};
  const struct timespec limit = {9, 0};
  return (void*)(long)(ppoll(&one, 1, &limit, NULL) == 1 && one.revents == POLLIN &&
                       limit.tv_sec == 9);
}
static void* by_select(void* unused) {
  (void)unused;
  fd_set readable;
  FD_ZERO(&readable);
  FD_SET(pair[0], &readable);
  return (void*)(long)(select(pair[0] + 1, &readable, NULL, NULL, NULL) == 1 &&
                       FD_ISSET(pair[0], &readable));
}
static void* by_pselect(void* unused) {
  (void)unused;
  fd_set readable;
  const struct timespec limit = {9, 0};
  FD_ZERO(&readable);
  FD_SET(pair[0], &readable);
  return (void*)(long)(pselect(pair[0] + 1, &readable, NULL, NULL, &limit, NULL) == 1 &&
                       FD_ISSET(pair[0], &readable) && limit.tv_sec == 9);
}
static void* by_peek(void* unused) {
  (void)unused;
  char byte;
  return (void*)(long)(recv(pair[0], &byte, 1, MSG_PEEK) == 1);
}

static void* drain(void* unused) {
  static char block[1 << 20];
  usleep(5000);
  while (recv(pair[0], block, sizeof block, MSG_DONTWAIT) > 0) {
  }
  return unused;
}

int main(void) {
  void* (*const ways[5])(void*) = {by_poll, by_ppoll, by_select, by_pselect, by_peek};
  pthread_t all[50];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 50; ++i) all[i] = start(ways[i % 5], NULL);
    settle();
    CHECK(send(pair[1], "x", 1, 0) == 1);
    long right = 0;
    for (int i = 0; i < 50; ++i) right += (long)join(all[i]);
    char byte;
    CHECK(recv(pair[0], &byte, 1, 0) == 1);
    say("round %d: one byte woke %ld of 50", round, right);
  }
  // Room to write wakes a poller for POLLOUT.
  static char block[1 << 20];
  while (send(pair[1], block, sizeof block, MSG_DONTWAIT) > 0) {
  }
  struct pollfd writable = {pair[1], POLLOUT, 0};
  say("full: %d", poll(&writable, 1, 0));
  const pthread_t drainer = start(drain, NULL);
  say("drained by another: %d", poll(&writable, 1, 9000));
  join(drainer);
  return 0;
}
