// SCM_RIGHTS: descriptors go through a socket to a thread and to a child; they stay blocking.
#include "net.h"

#include <sys/wait.h>

static void pass(int over, int fd, const char* text) {
  char control[CMSG_SPACE(sizeof fd)] = {0};
  struct iovec part = {(void*)text, strlen(text)};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  CHECK(sendmsg(over, &message, 0) == (ssize_t)strlen(text));
}

static int take(int over, int flags, char* text, size_t size) {
  char control[CMSG_SPACE(sizeof(int))];
  struct iovec part = {text, size};
  struct msghdr message = {
      .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  const ssize_t got = recvmsg(over, &message, flags);
  CHECK(got > 0);
  text[got] = 0;
  const struct cmsghdr* header = CMSG_FIRSTHDR(&message);
  CHECK(header && header->cmsg_type == SCM_RIGHTS);
  int fd;
  memcpy(&fd, CMSG_DATA(header), sizeof fd);
  return fd;
}

static void* serve(void* over) {
  char text[64], byte = 0;
  const int fd = take(*(int*)over, MSG_CMSG_CLOEXEC, text, sizeof text - 1);
  say("thread got '%s'", text);
  FACT("  close-on-exec", fcntl(fd, F_GETFD) == FD_CLOEXEC);
  FACT("  blocking", (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  CHECK(read(fd, &byte, 1) == 1);
  say("  read '%c' through it", byte);
  CHECK(write(fd, "r", 1) == 1);
  CHECK(close(fd) == 0);
  return NULL;
}

static int serve_in_child(int over) {
  char text[64], byte = 0;
  const int fd = take(over, 0, text, sizeof text - 1);
  say("child got '%s'", text);
  FACT("  not close-on-exec", fcntl(fd, F_GETFD) == 0);
  FACT("  blocking", (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
  const int connection = accept(fd, NULL, NULL);
  CHECK(connection >= 0 && read(connection, &byte, 1) == 1);
  say("  accepted and read '%c'", byte);
  CHECK(write(connection, "R", 1) == 1);
  return 0;
}

int main(void) {
  int way[2], pair[2];
  char byte = 0;
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, way) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) _exit(serve_in_child(way[1]));

  struct sockaddr_in address;
  const int listener = tcp_listener(&address, 5);
  // Used before it is passed: it has been accepted on by a thread of ours.
  const int first = tcp_connect(&address);
  CHECK(close(accept(listener, NULL, NULL)) == 0 && close(first) == 0);
  pass(way[0], listener, "a listener");
  const int client = tcp_connect(&address);
  CHECK(write(client, "q", 1) == 1 && read(client, &byte, 1) == 1);
  say("the child answered '%c'", byte);
  int status;
  CHECK(waitpid(child, &status, 0) == child);
  say_status("child", status);

  tcp_pair(pair);
  const pthread_t thread = start(serve, &way[1]);
  pass(way[0], pair[1], "a connection");
  CHECK(close(pair[1]) == 0);
  CHECK(write(pair[0], "p", 1) == 1 && read(pair[0], &byte, 1) == 1);
  join(thread);
  say("and the thread '%c'", byte);
  say_result("then the end", read(pair[0], &byte, 1));
  return 0;
}
