// A pre-forking server, each child with threads on the parent's listener; the parent ends them by
// SIGTERM and reaps them.
#include "../sockets/net.h"

#include <sys/wait.h>

enum { children = 3, threads = 4, clients = 60 };
static struct sockaddr_in address;
static int listener;

static void* serve(void* unused) {
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    char question[5], answer[8];
    CHECK(fd >= 0 && recv_all(fd, question, sizeof question));
    memcpy(answer, "ok ", 3);
    memcpy(answer + 3, question, 5);
    send_all(fd, answer, sizeof answer);
    CHECK(close(fd) == 0);
  }
  return unused;
}

static void* ask(void* argument) {
  char question[6], answer[9] = "", expected[9];
  snprintf(question, sizeof question, "%05d", (int)(long)argument);
  snprintf(expected, sizeof expected, "ok %s", question);
  const int fd = tcp_connect(&address);
  send_all(fd, question, 5);
  const int got = recv_all(fd, answer, 8);
  CHECK(close(fd) == 0);
  return (void*)(long)(got && strcmp(answer, expected) == 0);
}

int main(void) {
  pid_t all[children];
  listener = tcp_listener(&address, 128);
  for (int i = 0; i < children; ++i) {
    all[i] = fork();
    CHECK(all[i] >= 0);
    if (all[i] == 0) {
      for (int thread = 1; thread < threads; ++thread) start(serve, NULL);
      serve(NULL);
    }
  }
  pthread_t asking[clients];
  long right = 0;
  for (long i = 0; i < clients; ++i) asking[i] = start(ask, (void*)i);
  for (int i = 0; i < clients; ++i) right += (long)join(asking[i]);
  say("right answers: %ld", right);
  for (int i = 0; i < children; ++i) {
    int status;
    CHECK(kill(all[i], SIGTERM) == 0 && waitpid(all[i], &status, 0) == all[i]);
    say_status("child", status);
  }
  return 0;
}
