// exit in a thread, while main and others block: atexit handlers once, in reverse order, then the
// status.
// oracle: exit=7
#include "../check.h"

#include <sys/socket.h>

static int pair[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void first(void) { say("handler registered first"); }
static void second(void) {
  usleep(1000);
  say("handler registered second, which blocks a little");
}
static void with_status(int status, void* what) {
  say("on_exit: status %d, %s", status, (char*)what);
}

static void* receive_for_ever(void* unused) {
  char byte;
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  return unused;
}
static void* lock_for_ever(void* unused) {
  CHECK_OK(pthread_mutex_lock(&mutex));
  return unused;
}
static void* leave(void* unused) {
  settle();
  printf("still in the buffer\n");
  exit(7);
  return unused;
}

int main(void) {
  CHECK(atexit(first) == 0 && atexit(second) == 0 && on_exit(with_status, "and its argument") == 0);
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK_OK(pthread_mutex_lock(&mutex));
  for (int i = 0; i < 10; ++i) start(i % 2 ? receive_for_ever : lock_for_ever, NULL);
  start(leave, NULL);
  receive_for_ever(NULL);
  return 0;
}
