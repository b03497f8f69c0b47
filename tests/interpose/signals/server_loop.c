// A server's main loop as tinyproxy, Python and others have it: main blocks in accept, select,
// poll, sleep or pause; a child sends SIGTERM; the handler sets a flag and the loop ends.
#include "../sockets/net.h"

#include <semaphore.h>
#include <sys/select.h>
#include <sys/wait.h>

static volatile sig_atomic_t quit, handled_in_main;
static pthread_t main_thread;
static int listener, idle[2];
static struct sockaddr_in address;

static void set_flag(int number) {
  (void)number;
  handled_in_main = pthread_equal(pthread_self(), main_thread);
  quit = 1;
}

static void* read_for_ever(void* unused) {
  char byte;
  CHECK(read(idle[0], &byte, 1) == 1);
  return unused;
}

static void by_accept(void) {
  while (!quit) CHECK(accept(listener, NULL, NULL) == -1 && errno == EINTR);
}
static void by_select(void) {
  while (!quit) {
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(listener, &readable);
    CHECK(select(listener + 1, &readable, NULL, NULL, NULL) == -1 && errno == EINTR);
  }
}
static void by_poll(void) {
  while (!quit) CHECK(poll(&(struct pollfd){listener, POLLIN, 0}, 1, -1) == -1 && errno == EINTR);
}
static void by_sleep(void) {
  while (!quit) sleep(100);
}
static void by_pause(void) {
  while (!quit) CHECK(pause() == -1 && errno == EINTR);
}

static void run(const char* name, void (*loop)(void)) {
  quit = handled_in_main = 0;
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    // Again and again: the first may come before the loop looks at its flag and blocks.
    for (;;) {
      breathe();
      if (kill(getppid(), SIGTERM) != 0) _exit(0);
    }
  }
  loop();
  CHECK(kill(child, SIGKILL) == 0);
  int status;
  while (waitpid(child, &status, 0) != child) CHECK(errno == EINTR);
  say("%s: ended by the flag, handled in main: %s", name, handled_in_main ? "yes" : "no");
}

int main(void) {
  main_thread = pthread_self();
  listener = tcp_listener(&address, 5);
  CHECK(pipe(idle) == 0);
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  handle(SIGTERM, set_flag, 0);
  // The usual arrangement: threads that block it, so that main gets it.
  CHECK_OK(pthread_sigmask(SIG_BLOCK, &term, NULL));
  for (int i = 0; i < 5; ++i) start(read_for_ever, NULL);
  CHECK_OK(pthread_sigmask(SIG_UNBLOCK, &term, NULL));
  run("accept", by_accept);
  run("select", by_select);
  run("poll", by_poll);
  run("sleep", by_sleep);
  run("pause", by_pause);
  return 0;
}
