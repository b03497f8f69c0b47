// Opening a FIFO waits for the other end, here opened by another thread.
// oracle: timeout=20
#include "../check.h"

#include <fcntl.h>
#include <sys/stat.h>

static char path[64];

static void* write_to_it(void* unused) {
  usleep(5000);
  const int fd = open(path, O_WRONLY);
  CHECK(fd >= 0 && write(fd, "through", 7) == 7 && close(fd) == 0);
  return unused;
}

int main(void) {
  char text[16] = "", directory[] = "/tmp/oracle-XXXXXX";
  CHECK(mkdtemp(directory));
  snprintf(path, sizeof path, "%s/fifo", directory);
  CHECK(mkfifo(path, 0600) == 0);
  const pthread_t writer = start(write_to_it, NULL);
  const int fd = open(path, O_RDONLY);
  CHECK(fd >= 0);
  const ssize_t got = read(fd, text, sizeof text);
  say("read: %zd '%s'", got, text);
  say("then the end: %zd", read(fd, text, sizeof text));
  join(writer);
  CHECK(close(fd) == 0 && unlink(path) == 0 && rmdir(directory) == 0);
  return 0;
}
