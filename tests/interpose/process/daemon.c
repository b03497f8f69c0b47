// fork, setsid and go on in the grandchild with threads, as daemons do before they serve.
#include "../sockets/net.h"

#include <sys/wait.h>

static struct sockaddr_in address;
static int listener;

static void* serve(void* unused) {
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    char byte;
    CHECK(fd >= 0 && recv(fd, &byte, 1, 0) == 1);
    if (byte == 'q') _exit(0);
    ++byte;
    CHECK(send(fd, &byte, 1, 0) == 1 && close(fd) == 0);
  }
  return unused;
}

static void become_daemon(void) {
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child > 0) _exit(0);
  CHECK(setsid() >= 0);
  // Nobody will wait for it: it must not outlive a failed test.
  alarm(30);
  pthread_t all[5];
  for (int i = 0; i < 5; ++i) all[i] = start(serve, NULL);
  join(all[0]);
}

static void* nothing(void* unused) { return unused; }

int main(void) {
  int status;
  listener = tcp_listener(&address, 16);
  join(start(nothing, NULL));
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) become_daemon();
  CHECK(waitpid(child, &status, 0) == child);
  say_status("the child between", status);
  int right = 0;
  for (int i = 0; i < 20; ++i) {
    const int fd = tcp_connect(&address);
    char byte = (char)i;
    CHECK(send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1);
    right += byte == i + 1;
    CHECK(close(fd) == 0);
  }
  say("answers of the daemon: %d", right);
  const int fd = tcp_connect(&address);
  char byte;
  CHECK(send(fd, "q", 1, 0) == 1);
  FACT("it ended", recv(fd, &byte, 1, 0) <= 0);
  return 0;
}
