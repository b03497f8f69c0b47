// A blocking send, write, writev or sendmsg of 8 MB to a slow reader returns when all is sent.
#include "net.h"

enum { size = 8 << 20 };
static char* data;
static int pair[2];

static void* read_slowly(void* unused) {
  char* copy = malloc(size);
  size_t have = 0;
  ssize_t got;
  int reads = 0;
  while ((got = recv(pair[1], copy + have, 100000 < size - have ? 100000 : size - have, 0)) > 0) {
    have += (size_t)got;
    if (++reads % 20 == 0) usleep(1000);
  }
  (void)unused;
  const int same = have == size && memcmp(copy, data, size) == 0;
  free(copy);
  return (void*)(long)same;
}

static ssize_t by_send(void) { return send(pair[0], data, size, 0); }
static ssize_t by_write(void) { return write(pair[0], data, size); }
static ssize_t by_sendto(void) { return sendto(pair[0], data, size, 0, NULL, 0); }
static void cut(struct iovec* parts) {
  const size_t sizes[5] = {1, 0, 3000000, 17, size - 3000018};
  char* at = data;
  for (int i = 0; i < 5; ++i) {
    parts[i].iov_base = at;
    parts[i].iov_len = sizes[i];
    at += sizes[i];
  }
}
static ssize_t by_writev(void) {
  struct iovec parts[5];
  cut(parts);
  return writev(pair[0], parts, 5);
}
static ssize_t by_sendmsg(void) {
  struct iovec parts[5];
  cut(parts);
  const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 5};
  const ssize_t sent = sendmsg(pair[0], &message, 0);
  CHECK(parts[2].iov_len == 3000000 && parts[4].iov_base == data + 3000018);
  return sent;
}

static void transfer(const char* name, ssize_t (*send_it)(void), int tcp) {
  if (tcp)
    tcp_pair(pair);
  else
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  const pthread_t reader = start(read_slowly, NULL);
  const ssize_t sent = send_it();
  CHECK(close(pair[0]) == 0);
  say("%s: sent %zd", name, sent);
  FACT("  arrived whole", join(reader) != NULL);
  CHECK(close(pair[1]) == 0);
}

int main(void) {
  data = malloc(size);
  for (int i = 0; i < size; ++i) data[i] = (char)(i * 7 + i / 1000);
  for (int tcp = 1; tcp >= 0; --tcp) {
    say("-- %s", tcp ? "TCP" : "UNIX");
    transfer("send", by_send, tcp);
    transfer("sendto", by_sendto, tcp);
    transfer("write", by_write, tcp);
    transfer("writev", by_writev, tcp);
    transfer("sendmsg", by_sendmsg, tcp);
  }
  free(data);
  return 0;
}
