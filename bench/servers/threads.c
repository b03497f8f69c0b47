// A blocking server, one thread a connection. It knows nothing of vervet; the same binary is
// measured natively and under it.
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "start.h"

enum { stack_size = 65536 };

static struct arguments given;

static _Noreturn void fail(const char* what) {
  perror(what);
  exit(1);
}

static bool send_all(int fd, const char* data, size_t size) {
  while (size > 0) {
    ssize_t n = send(fd, data, size, MSG_NOSIGNAL);
    if (n < 0) return false;
    data += n;
    size -= (size_t)n;
  }
  return true;
}

static void echo(int fd) {
  char buffer[echo_buffer_size];
  ssize_t n;
  while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
    if (!send_all(fd, buffer, (size_t)n)) return;
}

static bool stream(int fd, const char* line, size_t size) {
  int64_t number = stream_request(line, size);
  if (number < 0) return false;
  for (unsigned chunk = 0; chunk < stream_chunks; ++chunk) {
    nanosleep(&(struct timespec){.tv_nsec = think_time_ms * 1000000L}, NULL);
    if (!send_all(fd, stream_chunk(number, chunk), stream_chunk_size)) return false;
  }
  return true;
}

static bool answer(int fd, const char* request, size_t size) {
  if (given.service == service_http) return send_all(fd, http_answer, http_answer_size);
  return stream(fd, request, size);
}

static void take_requests(int fd) {
  char buffer[request_buffer_size];
  size_t have = 0, taken;
  ssize_t n;
  while (have < sizeof buffer && (n = recv(fd, buffer + have, sizeof buffer - have, 0)) > 0) {
    have += (size_t)n;
    while ((taken = request_size(given.service, buffer, have)) != 0) {
      if (!answer(fd, buffer, taken)) return;
      have -= taken;
      memmove(buffer, buffer + taken, have);
    }
  }
}

static void* serve(void* argument) {
  int fd = (int)(intptr_t)argument;
  if (given.service == service_echo)
    echo(fd);
  else
    take_requests(fd);
  close(fd);
  return NULL;
}

int main(int argc, char** argv) {
  given = arguments_of(argc, argv, 2);  // which is the kernel's affair, or vervet's
  int listener = listen_on_loopback(0);
  announce(listener);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, stack_size);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0) fail("accept");
    pthread_t thread;
    errno = pthread_create(&thread, &attributes, serve, (void*)(intptr_t)fd);
    if (errno != 0) fail("pthread_create");
  }
}
