// connect that must wait: to listeners whose backlog is full, until somebody accepts.
#include "net.h"

enum { clients = 6 };
static struct sockaddr_storage address;
static socklen_t address_length;
static int connected, listener;

static void* connect_and_talk(void* unused) {
  const int fd = socket(address.ss_family, SOCK_STREAM, 0);
  char byte;
  CHECK(connect(fd, (struct sockaddr*)&address, address_length) == 0);
  __atomic_add_fetch(&connected, 1, __ATOMIC_SEQ_CST);
  CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  CHECK(send(fd, "q", 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1);
  CHECK(close(fd) == 0);
  return unused;
}

static void exercise(const char* name, int count) {
  pthread_t all[clients];
  connected = 0;
  for (int i = 0; i < count; ++i) all[i] = start(connect_and_talk, NULL);
  settle();
  FACT("some still wait", __atomic_load_n(&connected, __ATOMIC_SEQ_CST) < count);
  for (int i = 0; i < count; ++i) {
    const int fd = accept(listener, NULL, NULL);
    char byte;
    CHECK(fd >= 0 && recv(fd, &byte, 1, 0) == 1 && send(fd, "a", 1, 0) == 1);
    CHECK(close(fd) == 0);
  }
  for (int i = 0; i < count; ++i) join(all[i]);
  say("%s: connected in the end: %d", name, connected);
  CHECK(close(listener) == 0);
}

int main(void) {
  listener = unix_listener((struct sockaddr_un*)&address, &address_length, SOCK_STREAM);
  CHECK(listen(listener, 0) == 0);
  exercise("UNIX", clients);

  // TCP: the first fills the queue, the next one's request is dropped and sent again after a
  // second. One at a time, because two may end half-open.
  listener = tcp_listener((struct sockaddr_in*)&address, 0);
  address_length = sizeof(struct sockaddr_in);
  const int first = tcp_connect((struct sockaddr_in*)&address);
  const pthread_t late = start(connect_and_talk, NULL);
  settle();
  FACT("the second waits", connected == clients);
  CHECK(close(accept(listener, NULL, NULL)) == 0 && close(first) == 0);
  const int fd = accept(listener, NULL, NULL);
  char byte;
  CHECK(fd >= 0 && recv(fd, &byte, 1, 0) == 1 && send(fd, "a", 1, 0) == 1);
  join(late);
  FACT("and connects once there is room", connected == clients + 1);
  return 0;
}
