// What poll reports: hang-ups, errors, bad numbers, ignored entries, descriptors always ready.
#include "../check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

static void show(const char* name, int fd, short events, int timeout) {
  struct pollfd one = {fd, events, 0};
  const int ready = poll(&one, 1, timeout);
  say("%s: %d%s%s%s%s%s%s%s", name, ready, one.revents & POLLIN ? " IN" : "",
      one.revents & POLLOUT ? " OUT" : "", one.revents & POLLPRI ? " PRI" : "",
      one.revents & POLLHUP ? " HUP" : "", one.revents & POLLRDHUP ? " RDHUP" : "",
      one.revents & POLLERR ? " ERR" : "", one.revents & POLLNVAL ? " NVAL" : "");
}

// Volatile, or the compiler would refuse what the kernel must.
static volatile nfds_t far_too_many = 10000000;
static int closing;
static void* close_later(void* unused) {
  usleep(5000);
  CHECK(close(closing) == 0);
  return unused;
}

static void* all_of_them(void* unused) {
  int ends[2], pair[2];
  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  show("empty pipe", ends[0], POLLIN, 0);
  show("empty pipe, in 20 ms", ends[0], POLLIN, 20);
  show("pipe with room", ends[1], POLLOUT, -1);
  show("idle socket", pair[0], POLLIN | POLLOUT, -1);
  show("ignored number", -1, POLLIN, 20);
  show("closed number", 999, POLLIN, -1);
  show("regular file", open("/proc/self/exe", O_RDONLY), POLLIN | POLLOUT, -1);
  show("/dev/null", open("/dev/null", O_RDWR), POLLIN | POLLOUT, -1);

  CHECK(send(pair[1], "x", 1, 0) == 1);
  show("socket with data", pair[0], POLLIN, -1);
  show("  asked about nothing", pair[0], 0, 20);
  CHECK(shutdown(pair[1], SHUT_WR) == 0);
  show("half closed, with data", pair[0], POLLIN | POLLRDHUP, -1);
  show("  not asked about it", pair[0], POLLOUT, -1);
  closing = pair[1];
  pthread_t closer = start(close_later, NULL);
  show("asked about nothing until the peer closes", pair[0], 0, -1);
  join(closer);
  show("peer closed", pair[0], POLLIN | POLLOUT | POLLRDHUP, -1);
  closing = ends[1];
  closer = start(close_later, NULL);
  show("pipe whose writer closes", ends[0], POLLIN, -1);
  join(closer);
  CHECK(close(ends[0]) == 0 && pipe(ends) == 0);
  CHECK(close(ends[0]) == 0);
  show("pipe without a reader", ends[1], POLLOUT, -1);

  struct pollfd several[4] = {
      {pair[0], POLLIN, 0}, {-5, POLLIN, 9}, {998, POLLIN, 0}, {ends[1], 0, 0}};
  say("several at once: %d", poll(several, 4, -1));
  FACT("  an ignored entry's result is cleared", several[1].revents == 0);
  FACT("  a bad number among them", several[2].revents == POLLNVAL);
  struct pollfd twice[2] = {{pair[0], POLLIN, 0}, {pair[0], POLLOUT, 0}};
  say("one number twice: %d", poll(twice, 2, -1));
  const long long began = now_ms();
  say("nothing at all: %d", poll(NULL, 0, 30));
  FACT("  sleeps", now_ms() - began >= 29);
  struct pollfd* volatile table = several;
  FACT("too many: EINVAL", poll(table, far_too_many, 0) == -1 && errno == EINVAL);
  CHECK(close(pair[0]) == 0 && close(ends[1]) == 0);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
