// Sleeping threads keep their pace while four read a pipe, by an instruction of their own, that
// another thread writes 1 s later.
// oracle: timeout=60
#include "inline_call.h"
#include "pace.h"

enum { others = 3 };
static int ends[2];

static void* write_later(void* unused) {
  usleep(1000000);
  CHECK(write(ends[1], "iiii", others + 1) == others + 1);
  return unused;
}
static void* read_one(void* unused) {
  char byte = 0;
  (void)unused;
  const long got = inline_call(SYS_read, ends[0], (long)&byte, 1, 0);
  return (void*)(got == 1 ? (long)byte : got);
}
static void* read_all(void* unused) {
  pthread_t all[others];
  const pthread_t writer = start(write_later, NULL);
  for (int i = 0; i < others; ++i) all[i] = start(read_one, NULL);
  long right = read_one(unused) == (void*)'i';
  for (int i = 0; i < others; ++i) right += join(all[i]) == (void*)'i';
  join(writer);
  return (void*)right;
}

int main(void) {
  CHECK(pipe(ends) == 0);
  FACT("culprit ended as expected", pace_beside(read_all) == (void*)(others + 1));
  return 0;
}
