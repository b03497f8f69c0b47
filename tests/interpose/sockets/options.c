// Socket calls beside the data: names, options, getaddrinfo, credentials.
#include "net.h"

#include <netdb.h>

static int option(int fd, int name) {
  int value = -1;
  socklen_t length = sizeof value;
  CHECK(getsockopt(fd, SOL_SOCKET, name, &value, &length) == 0);
  return value;
}

static void* all_of_them(void* unused) {
  struct sockaddr_in address, peer;
  const int listener = tcp_listener(&address, 5);
  FACT("SO_ACCEPTCONN of a listener", option(listener, SO_ACCEPTCONN) == 1);
  FACT("SO_TYPE", option(listener, SO_TYPE) == SOCK_STREAM);
  FACT("SO_DOMAIN", option(listener, SO_DOMAIN) == AF_INET);
  const int client = tcp_connect(&address);
  socklen_t length = sizeof peer;
  const int server = accept4(listener, (struct sockaddr*)&peer, &length, 0);
  struct sockaddr_in own;
  length = sizeof own;
  CHECK(getsockname(client, (struct sockaddr*)&own, &length) == 0);
  FACT("the peer's address is the client's own", own.sin_port == peer.sin_port);
  FACT("no error pending", option(client, SO_ERROR) == 0);
  const int on = 1;
  CHECK(setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0);
  int waiting = -1;
  CHECK(send(server, "12345", 5, 0) == 5);
  struct pollfd readable = {client, POLLIN, 0};
  CHECK(poll(&readable, 1, 9000) == 1);
  CHECK(ioctl(client, FIONREAD, &waiting) == 0);
  say("FIONREAD: %d", waiting);

  struct addrinfo hints = {.ai_family = AF_INET,
                           .ai_socktype = SOCK_STREAM,
                           .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
  struct addrinfo* found;
  CHECK(getaddrinfo("127.0.0.1", "80", &hints, &found) == 0);
  FACT("getaddrinfo of a number",
       ((struct sockaddr_in*)found->ai_addr)->sin_port == htons(80) && !found->ai_next);
  freeaddrinfo(found);
  say("getaddrinfo of a name that is no number: %s",
      gai_strerror(getaddrinfo("nowhere", "80", &hints, &found)));

  int pair[2];
  struct ucred who;
  length = sizeof who;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length) == 0);
  FACT("SO_PEERCRED is this process", who.pid == getpid() && who.uid == getuid());
  FACT("an option that is none: ENOPROTOOPT",
       setsockopt(client, SOL_SOCKET, 9999, &on, sizeof on) == -1 && errno == ENOPROTOOPT);
  FACT("a family that is none: EAFNOSUPPORT",
       socket(9999, SOCK_STREAM, 0) == -1 && errno == EAFNOSUPPORT);
  CHECK(close(client) == 0 && close(server) == 0 && close(listener) == 0);
  return unused;
}

int main(void) {
  join(start(all_of_them, NULL));
  all_of_them(NULL);
  return 0;
}
