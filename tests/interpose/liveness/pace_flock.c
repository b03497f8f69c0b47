// Sleeping threads keep their pace while one waits for a file lock that another process holds for
// 1 s: by flock, by fcntl, and by a flock instruction of its own.
// oracle: timeout=60
#include "inline_call.h"
#include "pace.h"

#include <fcntl.h>
#include <sys/file.h>

static char path[] = "/tmp/oracle-XXXXXX";
static int orders[2], answers[2];

// The other process: takes both kinds of lock when told to, says so, and lets go 1 s later.
static void hold_locks(void) {
  char order;
  CHECK(close(orders[1]) == 0);
  while (read(orders[0], &order, 1) == 1) {
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    const int fd = open(path, O_RDWR);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0 && fcntl(fd, F_SETLKW, &whole) == 0);
    CHECK(write(answers[1], "h", 1) == 1);
    usleep(1000000);
    CHECK(close(fd) == 0);
  }
  _exit(0);
}

static int take(int way) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  const int fd = open(path, O_RDWR);
  char answer;
  CHECK(fd >= 0);
  CHECK(write(orders[1], "o", 1) == 1 && read(answers[0], &answer, 1) == 1);
  const long long began = now_ms();
  if (way == 0)
    CHECK(flock(fd, LOCK_EX) == 0);
  else if (way == 1)
    CHECK(fcntl(fd, F_SETLKW, &whole) == 0);
  else
    CHECK(inline_call(SYS_flock, fd, LOCK_EX, 0, 0) == 0);
  const int waited = now_ms() - began > 500;
  CHECK(close(fd) == 0);
  return waited;
}
static void* wait_for_locks(void* unused) {
  long waited = 0;
  (void)unused;
  for (int way = 0; way < 3; ++way) waited += take(way);
  return (void*)waited;
}

int main(void) {
  const int made = mkstemp(path);
  int status;
  CHECK(made >= 0 && close(made) == 0 && pipe(orders) == 0 && pipe(answers) == 0);
  const pid_t holder = fork();
  if (holder == 0) hold_locks();
  CHECK(holder > 0);
  void* waited = pace_beside(wait_for_locks);
  CHECK(close(orders[1]) == 0 && waitpid(holder, &status, 0) == holder && status == 0);
  CHECK(unlink(path) == 0);
  FACT("culprit ended as expected", waited == (void*)3);
  return 0;
}
