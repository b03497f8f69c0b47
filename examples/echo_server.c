// A blocking echo server, one thread a connection. It knows nothing of vervet.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int send_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
    if (sent < 0) return -1;
    data += sent;
    size -= (size_t)sent;
  }
  return 0;
}

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  char buffer[4096];
  ssize_t size;
  while ((size = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    if (send_all(fd, buffer, (size_t)size) != 0) break;
  }
  close(fd);
  return NULL;
}

static void die(const char* what) {
  perror(what);
  exit(1);
}

static long number(const char* text, long lowest, long highest) {
  char* end;
  long value = strtol(text, &end, 10);
  if (end != text && *end == '\0' && value >= lowest && value <= highest) return value;
  fprintf(stderr, "echo_server: '%s' is not a number from %ld to %ld\n", text, lowest, highest);
  exit(2);
}

// echo_server [port [backlog]]: port 0, the default, lets the kernel choose.
int main(int argc, char** argv) {
  uint16_t port = (uint16_t)(argc > 1 ? number(argv[1], 0, 65535) : 0);
  int backlog = (int)(argc > 2 ? number(argv[2], 1, 65535) : 4096);

  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  if (listener < 0) die("socket");
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(listener, (struct sockaddr*)&address, sizeof address) != 0) die("bind");
  if (listen(listener, backlog) != 0) die("listen");
  getsockname(listener, (struct sockaddr*)&address, &length);
  printf("listening on port %d\n", ntohs(address.sin_port));
  fflush(stdout);

  for (;;) {
    int fd = accept(listener, NULL, NULL);
    if (fd < 0) die("accept");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    pthread_t thread;
    int error = pthread_create(&thread, NULL, serve, (void*)(intptr_t)fd);
    if (error != 0) {
      fprintf(stderr, "pthread_create: %s\n", strerror(error));
      exit(1);
    }
    pthread_detach(thread);
  }
}
