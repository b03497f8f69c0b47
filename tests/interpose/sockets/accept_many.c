// 50 threads accept on one listener: each connection goes to exactly one of them.
#include "net.h"

enum { acceptors = 50, connections = 200 };
static int listener, accepted, right, ended;

static void* accept_for_ever(void* unused) {
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) break;
    char byte;
    CHECK(recv(fd, &byte, 1, 0) == 1);
    ++byte;
    CHECK(send(fd, &byte, 1, 0) == 1 && close(fd) == 0);
    __atomic_add_fetch(&accepted, 1, __ATOMIC_RELAXED);
  }
  if (errno == EINVAL) __atomic_add_fetch(&ended, 1, __ATOMIC_RELAXED);
  return unused;
}

static void* ask(void* address) {
  for (int i = 0; i < 10; ++i) {
    const int fd = tcp_connect((struct sockaddr_in*)address);
    char byte = (char)i;
    CHECK(send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1);
    if (byte == i + 1) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
    CHECK(close(fd) == 0);
  }
  return NULL;
}

int main(void) {
  struct sockaddr_in address;
  pthread_t acceptor[acceptors], asker[connections / 10];
  listener = tcp_listener(&address, 128);
  for (int i = 0; i < acceptors; ++i) acceptor[i] = start(accept_for_ever, NULL);
  for (int i = 0; i < connections / 10; ++i) asker[i] = start(ask, &address);
  for (int i = 0; i < connections / 10; ++i) join(asker[i]);
  say("answers right: %d", right);
  CHECK(shutdown(listener, SHUT_RDWR) == 0);
  for (int i = 0; i < acceptors; ++i) join(acceptor[i]);
  say("accepted: %d, acceptors ended by EINVAL: %d", accepted, ended);
  return 0;
}
