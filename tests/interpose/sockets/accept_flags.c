// What accept and accept4 return: flags, addresses, errors.
#include "net.h"

static struct sockaddr_in address;
static int listener;

static void* connect_later(void* unused) {
  usleep(3000);
  const int fd = tcp_connect(&address);
  char byte;
  CHECK(recv(fd, &byte, 1, 0) >= 0);
  CHECK(close(fd) == 0);
  return unused;
}

static void accept_with(const char* name, int flags, int plain) {
  const pthread_t client = start(connect_later, NULL);
  struct sockaddr_in peer;
  socklen_t length = sizeof peer;
  const int fd = plain ? accept(listener, (struct sockaddr*)&peer, &length)
                       : accept4(listener, (struct sockaddr*)&peer, &length, flags);
  CHECK(fd >= 0);
  say("%s: %s, %s", name, fcntl(fd, F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking",
      fcntl(fd, F_GETFD) & FD_CLOEXEC ? "close-on-exec" : "inherited");
  FACT("  address of the peer", length == sizeof peer && peer.sin_family == AF_INET &&
                                    ntohl(peer.sin_addr.s_addr) == INADDR_LOOPBACK);
  CHECK(close(fd) == 0);
  join(client);
}

int main(void) {
  listener = tcp_listener(&address, 16);
  accept_with("accept", 0, 1);
  accept_with("accept4, no flags", 0, 0);
  accept_with("accept4, SOCK_NONBLOCK", SOCK_NONBLOCK, 0);
  accept_with("accept4, SOCK_CLOEXEC", SOCK_CLOEXEC, 0);
  accept_with("accept4, both", SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  say_result("accept4 with flags that are none", accept4(listener, NULL, NULL, 0x1234567));
  say_result("accept on no descriptor", accept(-1, NULL, NULL));
  FACT("the listener is as it was", (fcntl(listener, F_GETFL) & O_NONBLOCK) == 0);

  // A short address buffer is filled as far as it goes, and the length tells the truth.
  const pthread_t client = start(connect_later, NULL);
  char few[4];
  socklen_t length = sizeof few;
  const int fd = accept(listener, (struct sockaddr*)few, &length);
  say("length told: %u", (unsigned)length);
  CHECK(close(fd) == 0);
  join(client);
  return 0;
}
