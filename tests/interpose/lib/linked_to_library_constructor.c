// Linked with startup/library_constructor: uses threads and sockets before main.
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

int linked_answer = -1;
static int pair[2];

static void* answer(void* unused) {
  char byte;
  if (read(pair[1], &byte, 1) != 1) return unused;
  ++byte;
  if (write(pair[1], &byte, 1) != 1) return unused;
  return &linked_answer;
}

__attribute__((constructor)) static void start_early(void) {
  pthread_t thread;
  void* result;
  char byte = 41;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
  if (pthread_create(&thread, NULL, answer, NULL) != 0) return;
  if (write(pair[0], &byte, 1) != 1 || read(pair[0], &byte, 1) != 1) return;
  if (pthread_join(thread, &result) == 0 && result == &linked_answer) linked_answer = byte;
}

__attribute__((destructor)) static void end_late(void) {
  close(pair[0]);
  close(pair[1]);
}
