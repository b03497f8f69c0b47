// Descriptor numbers used, closed and used again by many threads at once, as another kind each
// time: no wake, readiness or flag of the last user may reach the next.
#include "../check.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum { threads = 30, rounds = 100 };
static int wrong;

struct job {
  int write_to;
  char byte;
};
static void* write_later(void* argument) {
  const struct job* job = argument;
  usleep(200);
  CHECK(write(job->write_to, &job->byte, 1) == 1);
  return NULL;
}

static int use_stream(int sockets, char byte) {
  int ends[2];
  char got = 0;
  if (sockets)
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  else
    CHECK(pipe(ends) == 0);
  struct job job = {ends[1], byte};
  const pthread_t writer = start(write_later, &job);
  const int right = read(ends[0], &got, 1) == 1 && got == byte;
  join(writer);
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);
  return right;
}
static int use_nonblocking(void) {
  int pair[2];
  char byte;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  const int right = read(pair[0], &byte, 1) == -1 && errno == EAGAIN;
  CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
  return right;
}
static int use_eventfd(int value) {
  eventfd_t got = 0;
  const int event = eventfd((unsigned int)value, 0);
  CHECK(event >= 0);
  const int right = eventfd_read(event, &got) == 0 && got == (eventfd_t)value;
  CHECK(close(event) == 0);
  return right;
}

static void* use_numbers(void* argument) {
  const int me = (int)(long)argument;
  for (int i = 0; i < rounds; ++i) {
    int right = 1;
    switch ((me + i) % 4) {
      case 0: right = use_stream(1, (char)i); break;
      case 1: right = use_stream(0, (char)i); break;
      case 2: right = use_nonblocking(); break;
      case 3: right = use_eventfd(1 + i); break;
    }
    if (!right) __atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}

int main(void) {
  pthread_t all[threads];
  for (long i = 0; i < threads; ++i) all[i] = start(use_numbers, (void*)i);
  for (int i = 0; i < threads; ++i) join(all[i]);
  say("uses %d, wrong %d", threads * rounds, wrong);
  FACT("the lowest number is free again", dup(0) < 10);
  return 0;
}
