// What /proc says of a descriptor while a thread is blocked in a call on it: anybody may look.
#include "net.h"

static char byte;

static void* receive(void* fd) {
  CHECK(recv(*(int*)fd, &byte, 1, 0) == 1);
  return NULL;
}
static void* read_one(void* fd) {
  CHECK(read(*(int*)fd, &byte, 1) == 1);
  return NULL;
}

static int nonblocking_in_proc(int fd) {
  char path[64], line[128];
  unsigned int flags = 0;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE* file = fopen(path, "r");
  CHECK(file);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "flags: %o", &flags) == 1) break;
  CHECK(fclose(file) == 0);
  return (flags & O_NONBLOCK) != 0;
}

static void look(const char* name, void* (*body)(void*), int ends[2]) {
  const pthread_t thread = start(body, &ends[0]);
  settle();
  say("%s, while a thread waits: %s", name,
      nonblocking_in_proc(ends[0]) ? "non-blocking" : "blocking");
  CHECK(write(ends[1], "x", 1) == 1);
  join(thread);
  say("%s, after: %s", name, nonblocking_in_proc(ends[0]) ? "non-blocking" : "blocking");
}

int main(void) {
  int ends[2];
  tcp_pair(ends);
  look("TCP, recv", receive, ends);
  look("TCP, read", read_one, ends);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  look("UNIX, recv", receive, ends);
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
  look("UNIX datagram, read", read_one, ends);
  CHECK(pipe(ends) == 0);
  look("pipe, read", read_one, ends);
  return 0;
}
