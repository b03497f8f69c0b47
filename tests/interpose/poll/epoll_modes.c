// A program's own epoll: level- and edge-triggered, one-shot, data, changes while a thread waits.
#include "../check.h"

#include <sys/epoll.h>
#include <sys/socket.h>

static int epoll, pair[2];
static struct epoll_event got[8];

static int wait_ms(int ms) { return epoll_wait(epoll, got, 8, ms); }
static void say_twice(const char* name) {
  const int first = wait_ms(-1), again = wait_ms(0);
  say("%s: %d, again %d", name, first, again);
}
static void say_events(const char* name) {
  const int count = wait_ms(-1);
  const uint32_t events = got[0].events;
  say("%s: %d%s%s%s%s", name, count, events & EPOLLIN ? " IN" : "", events & EPOLLOUT ? " OUT" : "",
      events & EPOLLRDHUP ? " RDHUP" : "", events & EPOLLHUP ? " HUP" : "");
}
static void change(int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = 0x123456789abcdefULL};
  CHECK(epoll_ctl(epoll, operation, pair[0], &event) == 0);
}
static void put(const char* text) {
  CHECK(send(pair[1], text, strlen(text), 0) == (ssize_t)strlen(text));
}
static void take(int count) {
  char buffer[16];
  CHECK(recv(pair[0], buffer, (size_t)count, 0) == count);
}
static void* wait_in_thread(void* unused) {
  (void)unused;
  struct epoll_event event;
  return (void*)(long)(epoll_wait(epoll, &event, 1, 9000) == 1 &&
                       event.data.u64 == 0x123456789abcdefULL);
}

static void* all_of_them(void* unused) {
  epoll = epoll_create1(EPOLL_CLOEXEC);
  CHECK(epoll >= 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const long long began = now_ms();
  say("empty, 40 ms: %d", wait_ms(40));
  FACT("  took them", now_ms() - began >= 39);

  change(EPOLL_CTL_ADD, EPOLLIN);
  put("ab");
  say_twice("level");
  FACT("  data is the program's", got[0].data.u64 == 0x123456789abcdefULL);
  take(1);
  say("  read in part: %d", wait_ms(0));
  take(1);
  say("  read all: %d", wait_ms(0));

  change(EPOLL_CTL_MOD, EPOLLIN | EPOLLET);
  put("cd");
  say_twice("edge");
  take(1);
  say("  read in part: %d", wait_ms(0));
  put("e");
  say("  more came: %d", wait_ms(-1));
  take(2);

  change(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
  put("f");
  say_twice("one shot");
  change(EPOLL_CTL_MOD, EPOLLIN | EPOLLONESHOT);
  say("  armed again: %d", wait_ms(-1));
  take(1);

  change(EPOLL_CTL_MOD, EPOLLOUT);
  say_events("for writing");
  change(EPOLL_CTL_MOD, 0);
  put("g");
  say("for nothing: %d", wait_ms(20));
  pthread_t waiter = start(wait_in_thread, NULL);
  settle();
  change(EPOLL_CTL_MOD, EPOLLIN);
  FACT("changed while a thread waits: it wakes", join(waiter) != NULL);
  CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, pair[0], NULL) == 0);
  say("removed: %d", wait_ms(0));
  waiter = start(wait_in_thread, NULL);
  settle();
  change(EPOLL_CTL_ADD, EPOLLIN);
  FACT("added while a thread waits: it wakes", join(waiter) != NULL);
  take(1);
  CHECK(shutdown(pair[1], SHUT_WR) == 0);
  change(EPOLL_CTL_MOD, EPOLLIN | EPOLLRDHUP);
  say_events("half closed");
  CHECK(close(pair[1]) == 0);
  say_events("closed");
  CHECK(close(pair[0]) == 0);
  say("a closed descriptor leaves it: %d", wait_ms(20));
  CHECK(close(epoll) == 0);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
