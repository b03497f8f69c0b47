// A thread whose epoll_wait never has to wait does not keep others from their turns.
// oracle: timeout=20
#include "../check.h"

#include <sys/epoll.h>
#include <sys/socket.h>

enum { messages = 1000 };
static int pair[2], done;

static void* spin_on_writable(void* unused) {
  int ends[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  const int set = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLOUT};
  CHECK(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event) == 0);
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) CHECK(epoll_wait(set, &event, 1, -1) == 1);
  return unused;
}

static void* echo(void* unused) {
  char letter;
  for (int i = 0; i < messages; ++i) {
    CHECK(recv(pair[1], &letter, 1, 0) == 1);
    CHECK(send(pair[1], &letter, 1, 0) == 1);
  }
  return unused;
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pthread_t spinners[3], echoer;
  for (int i = 0; i < 3; ++i) spinners[i] = start(spin_on_writable, NULL);
  echoer = start(echo, NULL);
  char letter = 'v';
  for (int i = 0; i < messages; ++i) {
    CHECK(send(pair[0], &letter, 1, 0) == 1);
    CHECK(recv(pair[0], &letter, 1, 0) == 1);
  }
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < 3; ++i) join(spinners[i]);
  join(echoer);
  say("%d messages went to and fro beside three that never wait", messages);
  return 0;
}
