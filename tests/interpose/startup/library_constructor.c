// A library the program is linked with uses threads and sockets in its constructor, which runs
// before those of libraries loaded earlier; the program itself does so even before that.
#include "../check.h"

#include <sys/socket.h>

extern int linked_answer;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int early;

static void initialise(void) { ++early; }

// The earliest code of a program: before every library's constructor.
static void earliest(void) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  int pair[2];
  char byte = 0;
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
  pthread_mutex_lock(&mutex);
  pthread_once(&once, initialise);
  if (write(pair[0], "x", 1) == 1 && read(pair[1], &byte, 1) == 1 && byte == 'x') ++early;
  usleep(100);
  pthread_mutex_unlock(&mutex);
  close(pair[0]);
  close(pair[1]);
}
__attribute__((section(".preinit_array"), used)) static void (*const preinit)(void) = earliest;

static void* nothing(void* unused) { return unused; }

int main(void) {
  say("before all constructors: %d", early);
  say("in the library's constructor: %d", linked_answer);
  FACT("threads work in main", join(start(nothing, &early)) == &early);
  return 0;
}
