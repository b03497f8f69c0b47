// Connections without end: 30 clients connect, talk and close against a thread-per-connection
// server for N seconds; numbers are reused all the time.
// oracle: args=2 threads-over-workers=2
#include "../sockets/net.h"

enum { clients = 30 };
static int stop, wrong;
static long served, asked;
static struct sockaddr_in address;
static int listener;

static void* serve(void* argument) {
  const int fd = (int)(long)argument;
  char byte;
  while (recv(fd, &byte, 1, 0) == 1) {
    ++byte;
    // Counted first: nobody waits for this thread after the answer.
    __atomic_add_fetch(&served, 1, __ATOMIC_RELAXED);
    CHECK(send(fd, &byte, 1, MSG_NOSIGNAL) == 1);
  }
  CHECK(close(fd) == 0);
  return NULL;
}
static void* accept_all(void* unused) {
  for (;;) {
    const int fd = accept(listener, NULL, NULL);
    if (fd < 0) break;
    CHECK_OK(pthread_detach(start(serve, (void*)(long)fd)));
  }
  return unused;
}
static void* ask(void* argument) {
  unsigned int seed = (unsigned int)(long)argument + 1;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    // Reset instead of a closing handshake, or the ports would run out in TIME_WAIT.
    const struct linger now = {1, 0};
    const int fd = tcp_connect(&address);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    seed = seed * 1103515245 + 12345;
    for (unsigned int i = 0; i < (seed >> 16 & 7); ++i) {
      const char question = (char)(seed + i);
      char answer;
      CHECK(send(fd, &question, 1, 0) == 1 && recv(fd, &answer, 1, 0) == 1);
      if (answer != (char)(question + 1)) wrong = 1;
      __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
    }
    CHECK(close(fd) == 0);
  }
  return NULL;
}

int main(int count, char** arguments) {
  pthread_t all[clients];
  listener = tcp_listener(&address, 128);
  const pthread_t acceptor = start(accept_all, NULL);
  for (long i = 0; i < clients; ++i) all[i] = start(ask, (void*)i);
  sleep(count > 1 ? (unsigned int)atoi(arguments[1]) : 2);
  __atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
  for (int i = 0; i < clients; ++i) join(all[i]);
  CHECK(shutdown(listener, SHUT_RDWR) == 0);
  join(acceptor);
  FACT("every question had its answer", asked > 0 && asked == served && !wrong);
  return 0;
}
