// One socket, one thread that only reads and one that only writes, on either side: both directions
// block and wake independently.
#include "net.h"

enum { total = 4 << 20 };
static int pair[2], right;

static char expected(int from, int at) { return (char)(from * 31 + at % 251); }

static void* write_all(void* argument) {
  const int side = (int)(long)argument;
  char block[5000];
  for (int at = 0; at < total;) {
    const int size = total - at < (int)sizeof block ? total - at : (int)sizeof block;
    for (int i = 0; i < size; ++i) block[i] = expected(side, at + i);
    send_all(pair[side], block, (size_t)size);
    at += size;
  }
  CHECK(shutdown(pair[side], SHUT_WR) == 0);
  return NULL;
}

static void* read_all(void* argument) {
  const int side = (int)(long)argument;
  char block[7000];
  int at = 0, wrong = 0;
  ssize_t got;
  while ((got = read(pair[side], block, sizeof block)) > 0)
    for (int i = 0; i < got; ++i) wrong += block[i] != expected(!side, at++);
  CHECK(got == 0);
  if (at == total && wrong == 0) __atomic_add_fetch(&right, 1, __ATOMIC_RELAXED);
  return NULL;
}

static void run(const char* name) {
  pthread_t all[4];
  right = 0;
  for (long i = 0; i < 4; ++i) all[i] = start(i < 2 ? write_all : read_all, (void*)(i % 2));
  for (int i = 0; i < 4; ++i) join(all[i]);
  say("%s: directions right: %d", name, right);
  CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
}

int main(void) {
  tcp_pair(pair);
  run("TCP");
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  run("UNIX stream");
  return 0;
}
