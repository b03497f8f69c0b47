// A thread that computes until others have exchanged a thousand messages.
// oracle: timeout=20
#include "../check.h"

#include <sys/socket.h>

enum { rounds = 1000 };
static int pair[2], exchanged;

static void* bounce(void* argument) {
  const int side = (int)(long)argument;
  char ball = 0;
  for (int i = 0; i < rounds; ++i) {
    if (side == 0) CHECK(send(pair[0], &ball, 1, 0) == 1);
    CHECK(recv(pair[side], &ball, 1, 0) == 1);
    if (side == 1)
      CHECK(send(pair[1], &ball, 1, 0) == 1);
    else
      __atomic_add_fetch(&exchanged, 1, __ATOMIC_RELAXED);
  }
  return NULL;
}
static void* compute(void* unused) {
  volatile unsigned long work = 0;
  while (__atomic_load_n(&exchanged, __ATOMIC_RELAXED) < rounds) ++work;
  return unused;
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  pthread_t all[4];
  for (int i = 0; i < 2; ++i) all[i] = start(compute, NULL);
  for (long i = 0; i < 2; ++i) all[2 + i] = start(bounce, (void*)i);
  for (int i = 0; i < 4; ++i) join(all[i]);
  say("exchanged: %d", exchanged);
  return 0;
}
