// What idle_cpu.sh measures. It knows nothing of vervet.
//   idle serve N          serves N connections with a thread each, beside N threads that sleep for
//                         an hour. Whatever thread gets a byte sleeps 500 ms at a time from then on
//   idle connect PORT N   the other ends; SIGUSR1 sends one byte on one of them
#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int asleep;

static void die(const char* what) {
  perror(what);
  exit(1);
}

static void* serve(void* argument) {
  const int fd = (int)(intptr_t)argument;
  char byte;
  if (recv(fd, &byte, 1, 0) == 1)
    for (;;) usleep(500000);
  close(fd);
  return NULL;
}
static void* sleep_long(void* unused) {
  const struct timespec hour = {3600, 0};
  __atomic_add_fetch(&asleep, 1, __ATOMIC_RELAXED);
  nanosleep(&hour, NULL);
  return unused;
}

static void start(void* (*body)(void*), void* argument) {
  static pthread_attr_t* small;
  static pthread_attr_t attributes;
  pthread_t thread;
  if (!small) {
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 128 * 1024);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    small = &attributes;
  }
  const int error = pthread_create(&thread, small, body, argument);
  if (error == 0) return;
  fprintf(stderr, "pthread_create: %s\n", strerror(error));
  exit(1);
}

static void serve_all(int count) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int listener = socket(AF_INET, SOCK_STREAM, 0);
  if (listener < 0 || bind(listener, (struct sockaddr*)&address, length) != 0) die("bind");
  if (listen(listener, 4096) != 0) die("listen");
  getsockname(listener, (struct sockaddr*)&address, &length);
  printf("process %d port %d\n", getpid(), ntohs(address.sin_port));
  fflush(stdout);
  for (int i = 0; i < count; ++i) start(sleep_long, NULL);
  for (int i = 0; i < count; ++i) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) die("accept");
    start(serve, (void*)(intptr_t)fd);
  }
  while (__atomic_load_n(&asleep, __ATOMIC_RELAXED) < count) usleep(1000);
  puts("all idle");
  fflush(stdout);
  for (;;) pause();
}

static void connect_all(const char* port, int count) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  sigset_t wake;
  int fd = -1, number;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons((uint16_t)atoi(port));
  sigemptyset(&wake);
  sigaddset(&wake, SIGUSR1);
  sigprocmask(SIG_BLOCK, &wake, NULL);
  for (int i = 0; i < count; ++i) {
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    if (connect(fd, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  }
  sigwait(&wake, &number);
  if (send(fd, "w", 1, MSG_NOSIGNAL) != 1) die("send");
  for (;;) pause();
}

int main(int count, char** arguments) {
  if (count == 3 && strcmp(arguments[1], "serve") == 0) serve_all(atoi(arguments[2]));
  if (count == 4 && strcmp(arguments[1], "connect") == 0)
    connect_all(arguments[2], atoi(arguments[3]));
  fprintf(stderr, "usage: idle serve N | idle connect PORT N\n");
  return 2;
}
