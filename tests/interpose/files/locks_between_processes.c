// File locks that must wait for another process: flock and fcntl, in a thread, while others go on.
#include "../check.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

static char path[] = "/tmp/oracle-XXXXXX";
static int file;

static int by_flock(int fd, int wait) { return flock(fd, LOCK_EX | (wait ? 0 : LOCK_NB)); }
static int by_fcntl(int fd, int wait) {
  struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  return fcntl(fd, wait ? F_SETLKW : F_SETLK, &whole);
}
static int by_lockf(int fd, int wait) { return lockf(fd, wait ? F_LOCK : F_TLOCK, 0); }

struct lock {
  int (*take)(int fd, int wait);
};
static void* take_and_wait(void* lock) {
  CHECK(((struct lock*)lock)->take(file, 1) == 0);
  return NULL;
}

static void exercise(const char* name, int (*take)(int, int)) {
  int to_child[2], to_parent[2], status;
  char byte;
  struct lock lock = {take};
  CHECK(pipe(to_child) == 0 && pipe(to_parent) == 0);
  const pid_t child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    const int own = open(path, O_RDWR);
    CHECK(take(own, 1) == 0 && write(to_parent[1], "l", 1) == 1);
    CHECK(read(to_child[0], &byte, 1) == 1);
    usleep(20000);
    _exit(0);
  }
  CHECK(read(to_parent[0], &byte, 1) == 1);
  file = open(path, O_RDWR);
  FACT(name, take(file, 0) == -1 && (errno == EAGAIN || errno == EACCES));
  CHECK(write(to_child[1], "g", 1) == 1);
  join(start(take_and_wait, &lock));
  say("  taken once the child had gone");
  CHECK(waitpid(child, &status, 0) == child && close(file) == 0);
}

int main(void) {
  CHECK(close(mkstemp(path)) == 0);
  exercise("flock held elsewhere", by_flock);
  exercise("fcntl lock held elsewhere", by_fcntl);
  exercise("lockf held elsewhere", by_lockf);
  CHECK(unlink(path) == 0);
  return 0;
}
