// A ring of threads over socket pairs: a token goes round, on streams, datagrams and packets.
#include "net.h"

enum { members = 50, laps = 20 };
static int pairs[members][2];

static void* pass_on(void* argument) {
  const int me = (int)(long)argument;
  int token;
  for (int lap = 0; lap < laps; ++lap) {
    CHECK(recv(pairs[me][0], &token, sizeof token, 0) == sizeof token);
    ++token;
    CHECK(send(pairs[(me + 1) % members][1], &token, sizeof token, 0) == sizeof token);
  }
  return NULL;
}

static void go_round(const char* name, int type) {
  pthread_t all[members];
  for (int i = 0; i < members; ++i) CHECK(socketpair(AF_UNIX, type, 0, pairs[i]) == 0);
  for (long i = 0; i < members; ++i) all[i] = start(pass_on, (void*)i);
  int token = 0;
  CHECK(write(pairs[0][1], &token, sizeof token) == sizeof token);
  for (int i = 0; i < members; ++i) join(all[i]);
  CHECK(read(pairs[0][0], &token, sizeof token) == sizeof token);
  say("%s: %d hops", name, token);
  for (int i = 0; i < members; ++i) CHECK(close(pairs[i][0]) == 0 && close(pairs[i][1]) == 0);
}

int main(void) {
  go_round("stream", SOCK_STREAM);
  go_round("datagram", SOCK_DGRAM);
  go_round("packets", SOCK_SEQPACKET);
  return 0;
}
