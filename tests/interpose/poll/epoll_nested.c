// An epoll is a descriptor: polled, selected, put into another epoll, shared over fork.
#include "../check.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/wait.h>

static int inner, outer, event;

static void* by_outer(void* unused) {
  struct epoll_event got;
  (void)unused;
  return (void*)(long)(epoll_wait(outer, &got, 1, 9000) == 1 && got.data.fd == inner);
}
static void* by_poll(void* unused) {
  struct pollfd one = {inner, POLLIN, 0};
  (void)unused;
  return (void*)(long)(poll(&one, 1, 9000) == 1 && one.revents == POLLIN);
}
static void* by_select(void* unused) {
  fd_set readable;
  (void)unused;
  FD_ZERO(&readable);
  FD_SET(inner, &readable);
  return (void*)(long)(select(inner + 1, &readable, NULL, NULL, &(struct timeval){9, 0}) == 1);
}
static void* by_inner(void* unused) {
  struct epoll_event got;
  (void)unused;
  return (void*)(long)(epoll_wait(inner, &got, 1, 9000) == 1 && got.data.fd == event);
}

static void add(int epoll, int fd) {
  struct epoll_event wish = {.events = EPOLLIN, .data.fd = fd};
  CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wish) == 0);
}

int main(void) {
  inner = epoll_create1(0), outer = epoll_create1(0), event = eventfd(0, 0);
  CHECK(inner >= 0 && outer >= 0 && event >= 0);
  add(inner, event);
  add(outer, inner);
  void* (*const ways[4])(void*) = {by_outer, by_poll, by_select, by_inner};
  pthread_t all[20];
  for (int i = 0; i < 20; ++i) all[i] = start(ways[i % 4], NULL);
  settle();
  CHECK(eventfd_write(event, 1) == 0);
  long woken = 0;
  for (int i = 0; i < 20; ++i) woken += (long)join(all[i]);
  say("one event woke %ld of 20 by four ways", woken);
  eventfd_t value;
  CHECK(eventfd_read(event, &value) == 0);
  struct epoll_event got;
  say("read: %d", epoll_wait(outer, &got, 1, 20));
  struct epoll_event wish = {.events = EPOLLIN};
  FACT("a loop: ELOOP", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &wish) == -1 && errno == ELOOP);

  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const int ready = epoll_wait(inner, &got, 1, 9000);
    _exit(ready == 1 && got.data.fd == event ? 0 : 1);
  }
  CHECK(eventfd_write(event, 1) == 0);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("a child waits on the same epoll", status);
  FACT("and so does a thread here", join(start(by_inner, NULL)) != NULL);
  return 0;
}
