// Pipes block: readers until there is data or no writer, writers until there is room.
#include "../check.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>

enum { total = 1 << 20 };
static int ends[2];

static void* write_much(void* unused) {
  static char data[total];
  for (int i = 0; i < total; ++i) data[i] = (char)(i * 3 + i / 999);
  const ssize_t written = write(ends[1], data, total);
  CHECK(close(ends[1]) == 0);
  (void)unused;
  return (void*)written;
}
static void* read_one(void* unused) {
  char byte = 0;
  (void)unused;
  return (void*)(long)read(ends[0], &byte, 1);
}
static void* write_in_pieces(void* unused) {
  for (int i = 0; i < 5; ++i) {
    usleep(2000);
    CHECK(write(ends[1], "abcde" + i, 1) == 1);
  }
  return unused;
}

int main(void) {
  char buffer[10000];
  CHECK(pipe(ends) == 0);
  const pthread_t writer = start(write_much, NULL);
  size_t have = 0, wrong = 0;
  ssize_t got;
  while ((got = read(ends[0], buffer, sizeof buffer)) > 0)
    for (ssize_t i = 0; i < got; ++i, ++have)
      wrong += buffer[i] != (char)((int)have * 3 + (int)have / 999);
  say("one write of 1 MB: written %ld, read %zu, wrong %zu", (long)join(writer), have, wrong);
  say("then the end: %zd", read(ends[0], buffer, 1));
  CHECK(close(ends[0]) == 0);

  CHECK(pipe2(ends, O_CLOEXEC) == 0);
  FACT("pipe2's flags",
       fcntl(ends[0], F_GETFD) == FD_CLOEXEC && (fcntl(ends[0], F_GETFL) & O_NONBLOCK) == 0);
  pthread_t reader = start(read_one, NULL);
  settle();
  CHECK(close(ends[1]) == 0);
  say("a reader woken by the last writer's close: %ld", (long)join(reader));
  CHECK(close(ends[0]) == 0);

  CHECK(pipe(ends) == 0);
  pthread_t readers[20];
  for (int i = 0; i < 20; ++i) readers[i] = start(read_one, NULL);
  settle();
  CHECK(write(ends[1], "0123456789", 10) == 10 && close(ends[1]) == 0);
  long bytes = 0;
  for (int i = 0; i < 20; ++i) bytes += (long)join(readers[i]);
  say("20 readers, 10 bytes, then the end: %ld had one", bytes);
  CHECK(close(ends[0]) == 0);

  CHECK(pipe2(ends, O_NONBLOCK) == 0);
  got = read(ends[0], buffer, 1);
  say("non-blocking: read %zd %s", got, error_name(errno));
  while ((got = write(ends[1], buffer, sizeof buffer)) > 0) {
  }
  say("non-blocking: write %zd %s", got, error_name(errno));
  CHECK(close(ends[0]) == 0 && close(ends[1]) == 0);

  CHECK(pipe(ends) == 0);
  reader = start(write_in_pieces, NULL);
  struct iovec parts[2] = {{buffer, 1}, {buffer + 1, 100}};
  have = 0;
  while (have < 5) {
    got = readv(ends[0], parts, 2);
    CHECK(got > 0);
    have += (size_t)got;
  }
  say("readv: %zu in all", have);
  join(reader);
  say("a read gives what is there: %zd",
      write(ends[1], "xyz", 3) == 3 ? read(ends[0], buffer, sizeof buffer) : -1);
  return 0;
}
