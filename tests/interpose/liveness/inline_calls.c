// System calls made by instructions of the program's own, as libgomp, Go and others make them: no
// library function to replace.
// oracle: timeout=20
#include "../check.h"
#include "inline_call.h"

#include <linux/futex.h>

static int ends[2], word, tickets;

static void* read_one(void* unused) {
  char byte = 0;
  (void)unused;
  CHECK(inline_call(SYS_read, ends[0], (long)&byte, 1, 0) == 1);
  return (void*)(long)byte;
}
static void* write_later(void* unused) {
  usleep(5000);
  CHECK(write(ends[1], "i", 1) == 1);
  return unused;
}
static void* take_turns(void* argument) {
  for (int i = 0; i < 20; ++i) {
    for (int seen; (seen = __atomic_load_n(&word, __ATOMIC_SEQ_CST)) % 4 != (long)argument;)
      inline_call(SYS_futex, (long)&word, FUTEX_WAIT_PRIVATE, seen, 0);
    ++tickets;
    __atomic_add_fetch(&word, 1, __ATOMIC_SEQ_CST);
    inline_call(SYS_futex, (long)&word, FUTEX_WAKE_PRIVATE, 100, 0);
  }
  return NULL;
}

int main(void) {
  pthread_t all[4];
  CHECK(pipe(ends) == 0);
  const pthread_t reader = start(read_one, NULL);
  settle();
  join(start(write_later, NULL));
  say("read: '%c'", (char)(long)join(reader));
  for (long i = 0; i < 4; ++i) all[i] = start(take_turns, (void*)i);
  for (int i = 0; i < 4; ++i) join(all[i]);
  say("turns: %d", tickets);
  return 0;
}
