// Sockets, threads and locks before main, in a constructor, and after it, in a destructor.
#include "../check.h"

#include <sys/socket.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int pair[2], lasting_ends[2];
static pthread_t lasting;
static __thread int own = 3;

static void* answer(void* unused) {
  char byte;
  CHECK(own == 3);
  own = 4;
  CHECK(recv(pair[1], &byte, 1, 0) == 1);
  ++byte;
  CHECK_OK(pthread_mutex_lock(&mutex));
  CHECK_OK(pthread_mutex_unlock(&mutex));
  CHECK(send(pair[1], &byte, 1, 0) == 1);
  return unused;
}
static void* last_long(void* unused) {
  char byte;
  CHECK(read(lasting_ends[0], &byte, 1) == 1);
  return unused;
}

static void work(const char* when) {
  char byte = 'a';
  CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  CHECK_OK(pthread_mutex_lock(&mutex));
  const pthread_t thread = start(answer, NULL);
  CHECK(send(pair[0], &byte, 1, 0) == 1);
  usleep(1000);
  CHECK_OK(pthread_mutex_unlock(&mutex));
  CHECK(recv(pair[0], &byte, 1, 0) == 1);
  join(thread);
  CHECK(close(pair[0]) == 0 && close(pair[1]) == 0);
  say("%s: '%c', own %d", when, byte, own);
}

__attribute__((constructor)) static void before(void) {
  work("before main");
  CHECK(pipe(lasting_ends) == 0);
  lasting = start(last_long, NULL);
}
__attribute__((destructor)) static void after(void) { work("after main"); }

int main(void) {
  work("in main");
  CHECK(write(lasting_ends[1], "x", 1) == 1);
  join(lasting);
  say("joined a thread older than main");
  return 0;
}
