// Sleeping threads keep their pace while one brings a file to the disk, 32 MiB at a time, for 1.5 s
// at least: fsync, fdatasync and sync_file_range in turn.
// oracle: timeout=120
#include "pace.h"

#include <fcntl.h>

enum { block = 1 << 20, blocks = 32, smallest_run_ms = 1500 };
static char path[] = "/tmp/oracle-XXXXXX";
static char data[block];

static void* write_and_sync(void* unused) {
  const long long until = now_ms() + smallest_run_ms;
  const int fd = open(path, O_RDWR | O_TRUNC);
  CHECK(fd >= 0);
  (void)unused;
  for (int round = 0; round < 3 || now_ms() < until; ++round) {
    memset(data, round, sizeof data);
    for (int i = 0; i < blocks; ++i) CHECK(pwrite(fd, data, block, (off_t)i * block) == block);
    if (round % 3 == 0)
      CHECK(fsync(fd) == 0);
    else if (round % 3 == 1)
      CHECK(fdatasync(fd) == 0);
    else
      CHECK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0);
  }
  const off_t size = lseek(fd, 0, SEEK_END);
  CHECK(close(fd) == 0);
  return (void*)(long)size;
}

int main(void) {
  const int made = mkstemp(path);
  CHECK(made >= 0 && close(made) == 0);
  void* size = pace_beside(write_and_sync);
  CHECK(unlink(path) == 0);
  FACT("culprit ended as expected", size == (void*)(long)(blocks * block));
  return 0;
}
