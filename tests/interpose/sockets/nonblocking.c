// Descriptors the program made non-blocking itself are left alone: every call answers at once.
#include "net.h"

static char block[1 << 20];

static void* all_of_them(void* unused) {
  int pair[2];
  char byte;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
  say_result("recv", recv(pair[0], &byte, 1, 0));
  say_result("read", read(pair[0], &byte, 1));
  say_result("recv with WAITALL", recv(pair[0], &byte, 1, MSG_WAITALL));
  set_timeout(pair[0], SO_RCVTIMEO, 5000);
  const long long began = now_ms();
  say_result("SO_RCVTIMEO changes nothing", recv(pair[0], &byte, 1, 0));
  FACT("  at once", now_ms() - began < 2000);
  ssize_t sent, total = 0;
  while ((sent = send(pair[0], block, sizeof block, 0)) > 0) total += sent;
  say_result("send to a full buffer", sent);
  FACT("  after something went", total > 0);
  say_result("write to a full buffer", write(pair[0], block, sizeof block));
  while (recv(pair[1], block, sizeof block, 0) > 0) {
  }
  CHECK(send(pair[1], "ab", 2, 0) == 2);
  say_result("WAITALL gives what is there", recv(pair[0], block, 5, MSG_WAITALL));

  struct sockaddr_in address;
  const int listener = tcp_listener(&address, 5);
  CHECK(fcntl(listener, F_SETFL, fcntl(listener, F_GETFL) | O_NONBLOCK) == 0);
  say_result("accept", accept(listener, NULL, NULL));
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  const int result = connect(client, (struct sockaddr*)&address, sizeof address);
  FACT("connect: EINPROGRESS", result == -1 && errno == EINPROGRESS);
  struct pollfd writable = {client, POLLOUT, 0};
  CHECK(poll(&writable, 1, 9000) == 1);
  int error = -1;
  socklen_t length = sizeof error;
  CHECK(getsockopt(client, SOL_SOCKET, SO_ERROR, &error, &length) == 0);
  say("  then: %s", error_name(error));
  struct pollfd acceptable = {listener, POLLIN, 0};
  CHECK(poll(&acceptable, 1, 9000) == 1);
  const int accepted = accept(listener, NULL, NULL);
  FACT("accept gives a blocking descriptor", (fcntl(accepted, F_GETFL) & O_NONBLOCK) == 0);
  CHECK(close(accepted) == 0);

  int on = 1;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK(ioctl(pair[0], FIONBIO, &on) == 0);
  say_result("FIONBIO on: recv", recv(pair[0], &byte, 1, 0));
  FACT("  F_GETFL shows it", fcntl(pair[0], F_GETFL) & O_NONBLOCK);
  const int copy = dup(pair[0]);
  say_result("  a duplicate shares it: recv", recv(copy, &byte, 1, 0));
  on = 0;
  CHECK(ioctl(copy, FIONBIO, &on) == 0);
  FACT("FIONBIO off on the duplicate: the first blocks again",
       (fcntl(pair[0], F_GETFL) & O_NONBLOCK) == 0);
  set_timeout(pair[0], SO_RCVTIMEO, 50);
  say_result("  until its time is over: recv", recv(pair[0], &byte, 1, 0));
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
