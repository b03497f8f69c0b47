// A pointer into another thread's TLS or stack is good while that thread lives, parked or not.
#include "../check.h"

enum { threads = 50 };
static __thread int mailbox;
static int* mailboxes[threads];
static char* buffers[threads];
static pthread_barrier_t step;

static void* receive(void* argument) {
  const int me = (int)(long)argument;
  char buffer[64] = "";
  mailboxes[me] = &mailbox;
  buffers[me] = buffer;
  pthread_barrier_wait(&step);
  pthread_barrier_wait(&step);
  char expected[64];
  snprintf(expected, sizeof expected, "letter for %d", me);
  return (void*)(long)(mailbox == 1000 + me && strcmp(buffer, expected) == 0);
}

int main(void) {
  pthread_t all[threads];
  CHECK_OK(pthread_barrier_init(&step, NULL, threads + 1));
  for (long i = 0; i < threads; ++i) all[i] = start(receive, (void*)i);
  pthread_barrier_wait(&step);
  for (int i = 0; i < threads; ++i) {
    *mailboxes[i] = 1000 + i;
    sprintf(buffers[i], "letter for %d", i);
  }
  pthread_barrier_wait(&step);
  long right = 0;
  for (int i = 0; i < threads; ++i) right += (long)join(all[i]);
  say("delivered: %ld of %d", right, threads);
  return 0;
}
