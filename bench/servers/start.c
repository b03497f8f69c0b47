#include "start.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { backlog = 16384 };

static _Noreturn void fail(const char* what) {
  perror(what);
  exit(1);
}

static _Noreturn void refuse(const char* program, int most_workers) {
  fprintf(stderr, "%s echo|http|stream WORKERS, which are 1%s\n", program,
          most_workers > 1 ? " or 2" : " here");
  exit(2);
}

struct arguments arguments_of(int argc, char** argv, int most_workers) {
  static const char* const services[] = {"echo", "http", "stream"};
  struct arguments given = {service_echo, 0};
  if (argc != 3) refuse(argv[0], most_workers);
  int i = 0;
  while (i < 3 && strcmp(argv[1], services[i]) != 0) ++i;
  if (i == 3) refuse(argv[0], most_workers);
  given.service = (enum service)i;
  if (strcmp(argv[2], "1") == 0) given.workers = 1;
  if (strcmp(argv[2], "2") == 0) given.workers = 2;
  if (given.workers == 0 || given.workers > most_workers) refuse(argv[0], most_workers);

  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) fail("getrlimit");
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) fail("setrlimit");
  return given;
}

int listen_on_loopback(int flags) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
  if (fd < 0) fail("socket");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0) fail("bind");
  if (listen(fd, backlog) != 0) fail("listen");
  return fd;
}

void announce(int listener) {
  struct sockaddr_in address;
  socklen_t size = sizeof address;
  if (getsockname(listener, (struct sockaddr*)&address, &size) != 0) fail("getsockname");
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
}
