// Kernel threads that a stuck phase took are given back: 8 threads read a pipe by instructions of
// their own for 1 s while 4 compute; then all sleep for 5 s, in which the runner counts.
// oracle: timeout=60 threads-over-workers-at-end=2
#include "../check.h"
#include "inline_call.h"

enum { readers = 8, computers = 4 };
static int ends[2], done;

static void sleep_long(void) {
  for (int i = 0; i < 50; ++i) usleep(100000);
}
static void* read_one(void* unused) {
  char byte = 0;
  (void)unused;
  const long got = inline_call(SYS_read, ends[0], (long)&byte, 1, 0);
  sleep_long();
  return (void*)(got == 1 ? (long)byte : got);
}
static void* compute(void* unused) {
  volatile unsigned long work = 0;
  while (!__atomic_load_n(&done, __ATOMIC_ACQUIRE)) ++work;
  sleep_long();
  return unused;
}

int main(void) {
  pthread_t all[readers + computers];
  int read_right = 0;
  CHECK(pipe(ends) == 0);
  for (int i = 0; i < readers; ++i) all[i] = start(read_one, NULL);
  for (int i = 0; i < computers; ++i) all[readers + i] = start(compute, NULL);
  usleep(1000000);
  __atomic_store_n(&done, 1, __ATOMIC_RELEASE);
  CHECK(write(ends[1], "kkkkkkkk", readers) == readers);
  for (int i = 0; i < readers; ++i) read_right += join(all[i]) == (void*)'k';
  for (int i = 0; i < computers; ++i) join(all[readers + i]);
  say("read: %d", read_right);
  return 0;
}
