// connect: refused, already connected, not there, no socket, and what a failed one leaves behind.
#include "net.h"

static void try_connect(const char* name, int fd, const void* address, socklen_t length) {
  say_result(name, connect(fd, (const struct sockaddr*)address, length));
}

static void* all_of_them(void* unused) {
  struct sockaddr_in address, closed;
  const int listener = tcp_listener(&address, 5);
  CHECK(close(tcp_listener(&closed, 5)) == 0);

  int fd = socket(AF_INET, SOCK_STREAM, 0);
  try_connect("nobody listens", fd, &closed, sizeof closed);
  int error = -1;
  socklen_t length = sizeof error;
  CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
  say("  SO_ERROR after it: %s", error_name(error));
  FACT("  still blocking", (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  try_connect("  the same socket to a listener", fd, &address, sizeof address);
  try_connect("  once more", fd, &address, sizeof address);
  struct sockaddr_in peer;
  length = sizeof peer;
  FACT("  getpeername",
       getpeername(fd, (struct sockaddr*)&peer, &length) == 0 && peer.sin_port == address.sin_port);

  try_connect("no descriptor", -1, &address, sizeof address);
  int ends[2];
  CHECK(pipe(ends) == 0);
  try_connect("a pipe", ends[0], &address, sizeof address);
  fd = socket(AF_INET, SOCK_STREAM, 0);
  try_connect("a short address", fd, &address, 3);
  try_connect("an address of another family", fd, &(struct sockaddr_un){.sun_family = AF_UNIX}, 20);
  length = sizeof peer;
  FACT("getpeername of the unconnected: ENOTCONN",
       getpeername(fd, (struct sockaddr*)&peer, &length) == -1 && errno == ENOTCONN);
  char byte;
  say_result("recv of the unconnected", recv(fd, &byte, 1, 0));
  say_result("send of the unconnected", send(fd, &byte, 1, MSG_NOSIGNAL));
  say_result("accept of the unconnected", accept(fd, NULL, NULL));
  say_result("accept of a pipe", accept(ends[0], NULL, NULL));

  struct sockaddr_un missing = {.sun_family = AF_UNIX, .sun_path = "/nonexistent/socket"};
  fd = socket(AF_UNIX, SOCK_STREAM, 0);
  try_connect("no such path", fd, &missing, sizeof missing);
  struct sockaddr_un packets;
  const int other = unix_listener(&packets, &length, SOCK_SEQPACKET);
  try_connect("a listener of another type", fd, &packets, length);
  CHECK(close(other) == 0);
  try_connect("a UNIX listener that has gone", socket(AF_UNIX, SOCK_SEQPACKET, 0), &packets,
              length);

  const int datagrams = socket(AF_INET, SOCK_DGRAM, 0);
  try_connect("a datagram socket", datagrams, &closed, sizeof closed);
  try_connect("  and again elsewhere", datagrams, &address, sizeof address);
  CHECK(close(listener) == 0);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
