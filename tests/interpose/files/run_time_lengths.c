// Lengths known only at run time: with _FORTIFY_SOURCE these calls go to the checking twins
// (__read_chk, __pread_chk, __pread64_chk), which must block and wake as their plain forms do.
#include "../check.h"

#include <fcntl.h>

static int ends[2];
static volatile size_t five = 5;

static void* write_later(void* unused) {
  for (int i = 0; i < 5; ++i) {
    usleep(3000);
    CHECK(write(ends[1], "abcde" + i, 1) == 1);
  }
  CHECK(close(ends[1]) == 0);
  return unused;
}

int main(void) {
  char buffer[64] = "", path[] = "/tmp/oracle-XXXXXX";
  CHECK(pipe(ends) == 0);
  const pthread_t writer = start(write_later, NULL);
  char all[64] = "";
  ssize_t got;
  while ((got = read(ends[0], buffer, five)) > 0) strncat(all, buffer, (size_t)got);
  join(writer);
  say("read: '%s', then %zd", all, got);

  const int file = mkstemp(path);
  CHECK(file >= 0 && write(file, "0123456789", 10) == 10);
  got = pread(file, buffer, five, 3);
  say("pread: %zd '%.5s'", got, buffer);
  got = pread64(file, buffer, five, 5);
  say("pread64: %zd '%.5s'", got, buffer);
  CHECK(unlink(path) == 0);
  char directory[4096];
  FACT("getcwd", getcwd(directory, sizeof directory - 10 + five) == directory);
  got = readlink("/proc/self/fd/0", directory, five * 100);
  FACT("readlink", got > 0);
  return 0;
}
