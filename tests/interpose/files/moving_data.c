// splice, tee and sendfile between pipes, sockets and files, which block at either end.
#include "../check.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

enum { total = 1 << 20 };
static int in[2], out[2];
static char data[total];

static void* feed(void* unused) {
  for (int at = 0; at < total; at += 65536) {
    CHECK(write(in[1], data + at, 65536) == 65536);
    if (at % (1 << 18) == 0) usleep(1000);
  }
  CHECK(close(in[1]) == 0);
  return unused;
}
static void* drain(void* unused) {
  static char copy[total];
  size_t have = 0;
  ssize_t got;
  (void)unused;
  while ((got = read(out[1], copy + have, sizeof copy - have)) > 0) have += (size_t)got;
  CHECK(close(out[1]) == 0);
  return (void*)(long)(have == total && memcmp(copy, data, total) == 0);
}

int main(void) {
  for (int i = 0; i < total; ++i) data[i] = (char)(i * 11 + i / 777);
  CHECK(pipe(in) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, out) == 0);
  pthread_t feeder = start(feed, NULL), drainer = start(drain, NULL);
  ssize_t moved, sum = 0;
  while ((moved = splice(in[0], NULL, out[0], NULL, total, 0)) > 0) sum += moved;
  CHECK(moved == 0 && close(out[0]) == 0 && close(in[0]) == 0);
  join(feeder);
  say("spliced from a pipe to a socket: %zd", sum);
  FACT("  arrived whole", join(drainer) != NULL);

  FILE* file = tmpfile();
  CHECK(file && fwrite(data, 1, total, file) == total && fflush(file) == 0);
  CHECK(pipe(in) == 0);
  // The drainer reads the pipe's end this time.
  out[1] = in[0];
  drainer = start(drain, NULL);
  off_t from = 0;
  sum = 0;
  while (from < total) {
    moved = sendfile(in[1], fileno(file), &from, (size_t)(total - from));
    CHECK(moved > 0);
    sum += moved;
  }
  CHECK(close(in[1]) == 0);
  say("sendfile from a file to a pipe: %zd", sum);
  FACT("  arrived whole", join(drainer) != NULL);

  CHECK(pipe(in) == 0 && pipe(out) == 0);
  CHECK(write(in[1], "tee", 3) == 3);
  say("tee: %zd", tee(in[0], out[1], 3, 0));
  off_t zero_in = 0, zero_out = 0;
  char first[4] = "", second[4] = "";
  CHECK(read(in[0], first, 3) == 3 && read(out[0], second, 3) == 3);
  say("  '%s' and '%s'", first, second);
  say("copied between files: %zd",
      copy_file_range(fileno(file), &zero_in, fileno(tmpfile()), &zero_out, 1000, 0));
  return 0;
}
