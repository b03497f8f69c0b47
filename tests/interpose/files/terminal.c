// A pseudo-terminal: lines in canonical mode, bytes in raw mode, the end of either side.
#include "../check.h"

#include <fcntl.h>
#include <pty.h>
#include <termios.h>

static int primary, secondary;

static void* read_line(void* unused) {
  char line[100];
  (void)unused;
  const ssize_t got = read(secondary, line, sizeof line);
  CHECK(got > 0);
  say("a line of %zd: '%.*s'", got, (int)got - 1, line);
  return NULL;
}
static void* read_primary(void* unused) {
  char buffer[100];
  (void)unused;
  const ssize_t got = read(primary, buffer, sizeof buffer);
  return (void*)(long)(got < 0 ? -errno : got);
}

int main(void) {
  struct termios raw;
  CHECK(openpty(&primary, &secondary, NULL, NULL, NULL) == 0);
  CHECK(tcgetattr(secondary, &raw) == 0);
  raw.c_lflag &= (tcflag_t)~ECHO;
  raw.c_oflag &= (tcflag_t)~OPOST;
  CHECK(tcsetattr(secondary, TCSANOW, &raw) == 0);
  FACT("it is a terminal", isatty(secondary));
  pthread_t reader = start(read_line, NULL);
  settle();
  // Half a line wakes nobody.
  CHECK(write(primary, "half and ", 9) == 9);
  settle();
  CHECK(write(primary, "half\n", 5) == 5);
  join(reader);
  CHECK(write(primary, "one\ntwo\n", 8) == 8);
  read_line(NULL);
  read_line(NULL);
  char byte;
  CHECK(write(primary, "\004", 1) == 1);
  say("end of file typed: %zd", read(secondary, &byte, 1));

  cfmakeraw(&raw);
  CHECK(tcsetattr(secondary, TCSANOW, &raw) == 0);
  CHECK(write(primary, "x", 1) == 1 && read(secondary, &byte, 1) == 1);
  say("raw: '%c'", byte);
  reader = start(read_primary, NULL);
  settle();
  CHECK(write(secondary, "output", 6) == 6);
  say("read by the primary: %ld", (long)join(reader));
  FACT("both are blocking", (fcntl(primary, F_GETFL) & O_NONBLOCK) == 0 &&
                                (fcntl(secondary, F_GETFL) & O_NONBLOCK) == 0);

  reader = start(read_primary, NULL);
  settle();
  CHECK(close(secondary) == 0);
  say("the secondary's last close: %s", error_name(-(int)(long)join(reader)));
  return 0;
}
