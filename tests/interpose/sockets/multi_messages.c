// recvmmsg and sendmmsg: many datagrams in a call, waiting for one or for all.
#include "net.h"

enum { batch = 8 };
static int pair[2];
static char buffers[batch][16];
static struct iovec parts[batch];
static struct mmsghdr messages[batch];

static void prepare(size_t size) {
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < batch; ++i) {
    parts[i].iov_base = buffers[i];
    parts[i].iov_len = size;
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
}

static void* send_one_by_one(void* count) {
  for (long i = 0; i < (long)count; ++i) {
    usleep(2000);
    char text[16];
    const int length = snprintf(text, sizeof text, "datagram %ld", i);
    CHECK(send(pair[1], text, (size_t)length, 0) == length);
  }
  return NULL;
}

int main(void) {
  CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
  prepare(sizeof buffers[0]);
  pthread_t sender = start(send_one_by_one, (void*)(long)batch);
  int got = recvmmsg(pair[0], messages, batch, 0, NULL);
  join(sender);
  say("waits for all: %d, last '%.*s'", got, (int)messages[batch - 1].msg_len, buffers[batch - 1]);

  sender = start(send_one_by_one, (void*)3L);
  got = recvmmsg(pair[0], messages, batch, MSG_WAITFORONE, NULL);
  join(sender);
  FACT("WAITFORONE returns with at least one", got >= 1 && got <= 3);
  while (got < 3) {
    const int more = recvmmsg(pair[0], messages, batch, MSG_WAITFORONE, NULL);
    CHECK(more > 0);
    got += more;
  }
  say("  and all in the end: %d", got);
  say_result("DONTWAIT with nothing there", recvmmsg(pair[0], messages, batch, MSG_DONTWAIT, NULL));
  CHECK(send(pair[1], "one", 3, 0) == 3);
  say_result("DONTWAIT with one there", recvmmsg(pair[0], messages, batch, MSG_DONTWAIT, NULL));

  for (int i = 0; i < batch; ++i) memset(buffers[i], 'a' + i, sizeof buffers[i]);
  prepare(10);
  say_result("sendmmsg", sendmmsg(pair[1], messages, batch, 0));
  int right = 0;
  for (int i = 0; i < batch; ++i) {
    char buffer[32];
    right += recv(pair[0], buffer, sizeof buffer, 0) == 10 && buffer[0] == 'a' + i &&
             messages[i].msg_len == 10;
  }
  say("each arrived by itself: %d", right);
  say_result("none to send", sendmmsg(pair[1], messages, 0, 0));
  CHECK(send(pair[1], "one", 3, 0) == 3);
  prepare(2);
  say_result("a datagram too long", recvmmsg(pair[0], messages, 1, 0, NULL));
  FACT("  is cut and says so",
       messages[0].msg_len == 2 && (messages[0].msg_hdr.msg_flags & MSG_TRUNC));
  return 0;
}
