// Datagrams: waiting, truncation, empty ones, addresses, many readers of one socket.
#include "net.h"

static int server;
static struct sockaddr_in server_address;
static int taken;

static void* take_one(void* unused) {
  char byte;
  CHECK(recv(server, &byte, 1, 0) == 1);
  __atomic_add_fetch(&taken, byte, __ATOMIC_RELAXED);
  return unused;
}
static void* answer_one(void* unused) {
  char buffer[100];
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  const ssize_t got = recvfrom(server, buffer, sizeof buffer, 0, (struct sockaddr*)&from, &length);
  CHECK(got > 0 && length == sizeof from);
  CHECK(sendto(server, buffer, (size_t)got, 0, (struct sockaddr*)&from, length) == got);
  return unused;
}

int main(void) {
  char buffer[100];
  struct sockaddr_in client_address, from;
  server = udp_socket(&server_address);
  const int client = udp_socket(&client_address);
  const pthread_t thread = start(answer_one, NULL);
  settle();
  CHECK(sendto(client, "hello", 5, 0, (struct sockaddr*)&server_address, sizeof server_address) ==
        5);
  socklen_t length = sizeof from;
  say_result("answer",
             recvfrom(client, buffer, sizeof buffer, 0, (struct sockaddr*)&from, &length));
  FACT("  from the server", from.sin_port == server_address.sin_port);
  join(thread);

  CHECK(connect(client, (struct sockaddr*)&server_address, sizeof server_address) == 0);
  CHECK(send(client, "0123456789", 10, 0) == 10 && send(client, "", 0, 0) == 0);
  CHECK(send(client, "abcdefghij", 10, 0) == 10);
  say_result("a short buffer cuts", recv(server, buffer, 4, 0));
  say_result("an empty datagram", recv(server, buffer, 4, 0));
  say_result("MSG_TRUNC tells the real length", recv(server, buffer, 4, MSG_TRUNC));
  CHECK(send(client, "peek", 4, 0) == 4);
  say_result("PEEK and TRUNC", recv(server, NULL, 0, MSG_PEEK | MSG_TRUNC));
  say_result("read", read(server, buffer, sizeof buffer));
  struct iovec parts[2] = {{buffer, 2}, {buffer + 2, 2}};
  struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
  CHECK(send(client, "scattered", 9, 0) == 9);
  say_result("recvmsg", recvmsg(server, &message, 0));
  FACT("  says that it cut", message.msg_flags & MSG_TRUNC);
  static char large[70000];
  say_result("a datagram too large", send(client, large, sizeof large, 0));
  CHECK(send(client, "wait", 4, 0) == 4);
  say_result("WAITALL takes one datagram", recv(server, buffer, sizeof buffer, MSG_WAITALL));
  set_timeout(server, SO_RCVTIMEO, 50);
  say_result("nothing there, SO_RCVTIMEO", recv(server, buffer, 1, 0));
  set_timeout(server, SO_RCVTIMEO, 0);

  // To a port nobody listens on: the refusal comes back to a blocked reader of a connected socket.
  struct sockaddr_in gone_address;
  const int gone = udp_socket(&gone_address);
  CHECK(close(gone) == 0);
  CHECK(connect(client, (struct sockaddr*)&gone_address, sizeof gone_address) == 0);
  CHECK(send(client, "x", 1, 0) == 1);
  say_result("nobody there", recv(client, buffer, 1, 0));
  CHECK(connect(client, (struct sockaddr*)&server_address, sizeof server_address) == 0);

  pthread_t readers[20];
  for (int i = 0; i < 20; ++i) readers[i] = start(take_one, NULL);
  settle();
  for (char i = 0; i < 20; ++i) CHECK(send(client, &i, 1, 0) == 1);
  for (int i = 0; i < 20; ++i) join(readers[i]);
  say("20 readers of one socket took one each, sum %d", taken);
  return 0;
}
