// poll over 2,000 descriptors: those that are ready, and no others, in every position.
#include "../check.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

enum { pairs = 2000 };
static struct pollfd all[pairs];
static int peers[pairs];

static void* write_some(void* unused) {
  usleep(5000);
  for (int i = 0; i < pairs; i += 100) CHECK(write(peers[i], "x", 1) == 1);
  return unused;
}
static void* poll_in_thread(void* unused) {
  (void)unused;
  return (void*)(long)poll(all, pairs, -1);
}

int main(void) {
  struct rlimit limit;
  CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  if (limit.rlim_max < 2 * pairs + 50) {
    say("needs %d descriptors", 2 * pairs + 50);
    return 77;
  }
  for (int i = 0; i < pairs; ++i) {
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    all[i] = (struct pollfd){pair[0], POLLIN, 0x7fff};
    peers[i] = pair[1];
  }
  say("none ready: %d", poll(all, pairs, 0));
  long long began = now_ms();
  say("none ready in 60 ms: %d", poll(all, pairs, 60));
  FACT("  took them", now_ms() - began >= 59);
  int stale = 0;
  for (int i = 0; i < pairs; ++i) stale += all[i].revents != 0;
  say("results left over: %d", stale);

  const pthread_t poller = start(poll_in_thread, NULL), writer = start(write_some, NULL);
  const long first = (long)join(poller);
  join(writer);
  FACT("a waiting poll wakes for some", first >= 1 && first <= pairs / 100);
  say("all that were written to: %d", poll(all, pairs, 0));
  int wrong = 0;
  for (int i = 0; i < pairs; ++i) wrong += all[i].revents != (i % 100 ? 0 : POLLIN);
  say("wrong: %d", wrong);

  // One descriptor only, the last of all, in threads at once.
  for (int i = 0; i < pairs; i += 100) {
    char byte;
    CHECK(read(all[i].fd, &byte, 1) == 1);
  }
  const pthread_t last = start(poll_in_thread, NULL);
  settle();
  CHECK(write(peers[pairs - 1], "x", 1) == 1);
  say("the last of all: %ld", (long)join(last));
  FACT("  it is that one", all[pairs - 1].revents == POLLIN);
  return 0;
}
