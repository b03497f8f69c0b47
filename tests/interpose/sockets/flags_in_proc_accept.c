// What /proc says of a listener while a thread is blocked in accept on it, and of a socket while a
// thread waits in connect: this process alone has them, but anybody may look.
#include "net.h"

static struct sockaddr_un address;
static socklen_t length;
static int listener, late;

static void* accept_one(void* unused) {
  (void)unused;
  return (void*)(long)accept(listener, NULL, NULL);
}
static void* connect_late(void* unused) {
  CHECK(connect(late, (struct sockaddr*)&address, length) == 0);
  return unused;
}

static void look(const char* name, int fd) {
  char path[64], line[128];
  unsigned int flags = 0;
  snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
  FILE* file = fopen(path, "r");
  CHECK(file);
  while (fgets(line, sizeof line, file))
    if (sscanf(line, "flags: %o", &flags) == 1) break;
  CHECK(fclose(file) == 0);
  say("%s: %s", name, flags & O_NONBLOCK ? "non-blocking" : "blocking");
}

int main(void) {
  listener = unix_listener(&address, &length, SOCK_STREAM);
  const pthread_t acceptor = start(accept_one, NULL);
  settle();
  look("a listener, while a thread accepts", listener);
  const int first = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(connect(first, (struct sockaddr*)&address, length) == 0);
  const int accepted = (int)(long)join(acceptor);
  CHECK(accepted >= 0);
  look("the listener, after", listener);
  look("what it accepted", accepted);
  look("what connected", first);

  CHECK(listen(listener, 0) == 0);
  const int filler = socket(AF_UNIX, SOCK_STREAM, 0);
  CHECK(connect(filler, (struct sockaddr*)&address, length) == 0);
  late = socket(AF_UNIX, SOCK_STREAM, 0);
  const pthread_t connector = start(connect_late, NULL);
  settle();
  look("a socket, while a thread connects it", late);
  CHECK(accept(listener, NULL, NULL) >= 0 && accept(listener, NULL, NULL) >= 0);
  join(connector);
  look("the socket, after", late);
  return 0;
}
