// Blocking system calls made without libc's wrappers, ended by other threads.
// oracle: timeout=20
#include "../check.h"

#include <poll.h>

static int ends[2];

static void* raw_read(void* unused) {
  char byte = 0;
  (void)unused;
  CHECK(syscall(SYS_read, ends[0], &byte, 1) == 1);
  return (void*)(long)byte;
}
static void* raw_poll(void* unused) {
  struct pollfd one = {ends[0], POLLIN, 0};
  (void)unused;
  return (void*)syscall(SYS_poll, &one, 1, -1);
}
static void* write_later(void* unused) {
  usleep(5000);
  CHECK(write(ends[1], "r", 1) == 1);
  return unused;
}

int main(void) {
  CHECK(pipe(ends) == 0);
  pthread_t poller = start(raw_poll, NULL);
  settle();
  join(start(write_later, NULL));
  say("poll: %ld", (long)join(poller));
  say("read: '%c'", (char)(long)join(start(raw_read, NULL)));
  const pthread_t reader = start(raw_read, NULL);
  settle();
  join(start(write_later, NULL));
  say("read: '%c'", (char)(long)join(reader));
  return 0;
}
