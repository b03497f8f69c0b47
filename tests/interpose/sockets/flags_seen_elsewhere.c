// The flags of a descriptor as other processes see them, by F_GETFL in a forked child and by a
// child's look at /proc, while threads here are blocked in calls on it.
#include "net.h"

#include <sys/wait.h>

static int fds[5];
static const char* const names[5] = {"TCP connection", "UNIX pair", "pipe", "TCP listener",
                                     "UDP socket"};
static char byte;

static void* receive(void* fd) {
  if (recv(*(int*)fd, &byte, 1, 0) < 0) return NULL;
  return fd;
}
static void* read_one(void* fd) {
  CHECK(read(*(int*)fd, &byte, 1) >= 0);
  return fd;
}
static void* accept_one(void* fd) {
  CHECK(accept(*(int*)fd, NULL, NULL) >= 0);
  return fd;
}

static int nonblocking_in_proc(pid_t process, int fd) {
  char path[64], line[128];
  unsigned int flags = 0;
  snprintf(path, sizeof path, "/proc/%d/fdinfo/%d", (int)process, fd);
  FILE* file = fopen(path, "r");
  CHECK(file);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "flags: %o", &flags) == 1) break;
  CHECK(fclose(file) == 0);
  return (flags & O_NONBLOCK) != 0;
}

static int look_from_child(void) {
  int status;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    for (int i = 0; i < 5; ++i)
      say("child: %s is %s", names[i],
          fcntl(fds[i], F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking");
    for (int i = 0; i < 5; ++i)
      say("child: in its own /proc %s is %s", names[i],
          nonblocking_in_proc(getpid(), fds[i]) ? "non-blocking" : "blocking");
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child);
  return status;
}

int main(void) {
  struct sockaddr_in address, datagram_address;
  int pairs[3][2];
  tcp_pair(pairs[0]);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[1]) == 0 && pipe(pairs[2]) == 0);
  for (int i = 0; i < 3; ++i) fds[i] = pairs[i][0];
  fds[3] = tcp_listener(&address, 5);
  fds[4] = udp_socket(&datagram_address);
  const pthread_t all[5] = {start(receive, &fds[0]), start(receive, &fds[1]),
                            start(read_one, &fds[2]), start(accept_one, &fds[3]),
                            start(receive, &fds[4])};
  settle();
  for (int i = 0; i < 5; ++i)
    say("%s: F_GETFL says %s", names[i],
        fcntl(fds[i], F_GETFL) & O_NONBLOCK ? "non-blocking" : "blocking");
  say_status("child", look_from_child());

  for (int i = 0; i < 3; ++i) CHECK(write(pairs[i][1], "x", 1) == 1);
  CHECK(tcp_connect(&address) >= 0);
  CHECK(sendto(fds[4], "x", 1, 0, (struct sockaddr*)&datagram_address, sizeof datagram_address) ==
        1);
  for (int i = 0; i < 5; ++i) CHECK(join(all[i]) == &fds[i]);
  say("all woke");
  return 0;
}
