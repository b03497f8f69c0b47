// Sockets on loopback, for the programs here and in other areas.
#ifndef NET_H
#define NET_H

#include "../check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

// A TCP listener on a free port of 127.0.0.1; its address goes to *address.
static inline int tcp_listener(struct sockaddr_in* address, int backlog) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr*)address, sizeof *address) == 0);
  CHECK(listen(fd, backlog) == 0);
  socklen_t length = sizeof *address;
  CHECK(getsockname(fd, (struct sockaddr*)address, &length) == 0);
  return fd;
}

static inline int tcp_connect(const struct sockaddr_in* address) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  CHECK(fd >= 0);
  CHECK(connect(fd, (const struct sockaddr*)address, sizeof *address) == 0);
  return fd;
}

// Two ends of one TCP connection.
static inline void tcp_pair(int ends[2]) {
  struct sockaddr_in address;
  const int listener = tcp_listener(&address, 5);
  ends[0] = tcp_connect(&address);
  ends[1] = accept(listener, NULL, NULL);
  CHECK(ends[1] >= 0);
  CHECK(close(listener) == 0);
}

// A UNIX listener on an abstract name of this process's own; *length is the address's.
static inline int unix_listener(struct sockaddr_un* address, socklen_t* length, int type) {
  static int count;
  const int fd = socket(AF_UNIX, type, 0);
  CHECK(fd >= 0);
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  const int name = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "oracle-%d-%d",
                            (int)getpid(), ++count);
  *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)name);
  CHECK(bind(fd, (struct sockaddr*)address, *length) == 0);
  if (type != SOCK_DGRAM) CHECK(listen(fd, 5) == 0);
  return fd;
}

// A datagram socket on a free UDP port of 127.0.0.1.
static inline int udp_socket(struct sockaddr_in* address) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  CHECK(fd >= 0);
  memset(address, 0, sizeof *address);
  address->sin_family = AF_INET;
  address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  CHECK(bind(fd, (struct sockaddr*)address, sizeof *address) == 0);
  socklen_t length = sizeof *address;
  CHECK(getsockname(fd, (struct sockaddr*)address, &length) == 0);
  return fd;
}

static inline void send_all(int fd, const void* data, size_t size) {
  const char* bytes = (const char*)data;
  while (size > 0) {
    const ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    CHECK(sent > 0);
    bytes += sent;
    size -= (size_t)sent;
  }
}

// Reads exactly `size` bytes; returns 0 if the peer closed before the first.
static inline int recv_all(int fd, void* data, size_t size) {
  char* bytes = (char*)data;
  for (size_t have = 0; have < size;) {
    const ssize_t got = recv(fd, bytes + have, size - have, 0);
    CHECK(got > 0 || (got == 0 && have == 0));
    if (got == 0) return 0;
    have += (size_t)got;
  }
  return 1;
}

static inline void set_timeout(int fd, int option, long ms) {
  const struct timeval limit = {ms / 1000, ms % 1000 * 1000};
  CHECK(setsockopt(fd, SOL_SOCKET, option, &limit, sizeof limit) == 0);
}

// Prints "<what>: 5" or "<what>: -1 EAGAIN".
static inline void say_result(const char* what, ssize_t result) {
  const int error = errno;
  if (result >= 0)
    say("%s: %zd", what, result);
  else
    say("%s: %zd %s", what, result, error_name(error));
}

#endif
