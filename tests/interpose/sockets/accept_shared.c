// A listener shared with a forked child that accepts as well, both with threads: no connection is
// lost, none is taken twice, and nobody sees a non-blocking listener.
#include "net.h"

#include <sys/mman.h>
#include <sys/wait.h>

enum { threads = 5, connections = 100 };
static int listener;
static int* served;

static void* serve(void* unused) {
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) break;
    char byte;
    CHECK(recv(fd, &byte, 1, 0) == 1 && send(fd, &byte, 1, 0) == 1 && close(fd) == 0);
    __atomic_add_fetch(served, 1, __ATOMIC_RELAXED);
    if (fcntl(listener, F_GETFL) & O_NONBLOCK) say("the listener is non-blocking");
  }
  return unused;
}

static void serve_all(void) {
  pthread_t all[threads];
  for (int i = 0; i < threads; ++i) all[i] = start(serve, NULL);
  for (int i = 0; i < threads; ++i) join(all[i]);
}
static void* serve_all_in_thread(void* unused) {
  serve_all();
  return unused;
}

int main(void) {
  struct sockaddr_in address;
  served = mmap(NULL, sizeof *served, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(served != MAP_FAILED);
  listener = tcp_listener(&address, 128);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    serve_all();
    _exit(0);
  }
  const pthread_t servers = start(serve_all_in_thread, NULL);
  int right = 0;
  for (int i = 0; i < connections; ++i) {
    const int fd = tcp_connect(&address);
    char byte = (char)i;
    CHECK(send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1);
    right += byte == (char)i;
    CHECK(close(fd) == 0);
  }
  say("answers right: %d", right);
  // Wakes the acceptors of both processes.
  CHECK(shutdown(listener, SHUT_RDWR) == 0);
  join(servers);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);
  say("served by both: %d", *served);
  return 0;
}
