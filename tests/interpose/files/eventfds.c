// eventfd: counters and semaphores, readers and writers that wait, flags.
#include "../check.h"

#include <fcntl.h>
#include <sys/eventfd.h>

enum { waiters = 20 };
static int event;

static void* take(void* unused) {
  uint64_t value = 0;
  (void)unused;
  CHECK(read(event, &value, sizeof value) == sizeof value);
  return (void*)(long)value;
}
static void* take_by_call(void* unused) {
  eventfd_t value = 0;
  (void)unused;
  CHECK(eventfd_read(event, &value) == 0);
  return (void*)(long)value;
}
static void* give(void* unused) {
  CHECK(eventfd_write(event, 7) == 0);
  return unused;
}

int main(void) {
  event = eventfd(0, 0);
  CHECK(event >= 0);
  pthread_t thread = start(take, NULL);
  settle();
  CHECK(eventfd_write(event, 5) == 0);
  say("a waiting reader gets: %ld", (long)join(thread));
  CHECK(eventfd_write(event, 2) == 0 && eventfd_write(event, 3) == 0);
  say("added up: %ld", (long)join(start(take_by_call, NULL)));

  const uint64_t most = UINT64_MAX - 1;
  CHECK(write(event, &most, sizeof most) == sizeof most);
  thread = start(give, NULL);
  settle();
  uint64_t value;
  CHECK(read(event, &value, sizeof value) == sizeof value);
  FACT("a full counter", value == most || value == most + 7);
  join(thread);
  say("the writer that waited added: %ld", (long)join(start(take, NULL)));
  char few[4];
  FACT("a short buffer: EINVAL", read(event, few, sizeof few) == -1 && errno == EINVAL);
  value = UINT64_MAX;
  FACT("the largest number: EINVAL", write(event, &value, sizeof value) == -1 && errno == EINVAL);
  CHECK(close(event) == 0);

  event = eventfd(3, EFD_SEMAPHORE);
  pthread_t all[waiters];
  for (int i = 0; i < waiters; ++i) all[i] = start(take, NULL);
  settle();
  CHECK(eventfd_write(event, waiters - 3) == 0);
  long sum = 0;
  for (int i = 0; i < waiters; ++i) sum += (long)join(all[i]);
  say("as a semaphore, %d readers got in all: %ld", waiters, sum);
  CHECK(close(event) == 0);

  event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  FACT("non-blocking: EAGAIN", eventfd_read(event, &value) == -1 && errno == EAGAIN);
  FACT("close-on-exec", fcntl(event, F_GETFD) == FD_CLOEXEC);
  return 0;
}
