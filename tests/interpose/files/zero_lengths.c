// read and write of nothing return at once on every kind of descriptor; bad ones say so.
#include "../check.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

static void try_kind(const char* name, int readable, int writable) {
  char byte;
  const ssize_t got = read(readable, &byte, 0);
  const int error = got < 0 ? errno : 0;
  const ssize_t put = writable < 0 ? 0 : write(writable, &byte, 0);
  const int write_error = put < 0 ? errno : 0;
  say("%s: read %zd %s, write %zd %s", name, got, error_name(error), put, error_name(write_error));
}

// Volatile, or the compiler would refuse what the kernel must.
static void* volatile nowhere = (void*)8;
static volatile int far_too_many = 100000;

static void* all_of_them(void* unused) {
  int ends[2], pair[2];
  char byte;
  CHECK(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  try_kind("pipe", ends[0], ends[1]);
  try_kind("socket", pair[0], pair[0]);
  try_kind("eventfd", eventfd(0, 0), -1);
  try_kind("timerfd", timerfd_create(CLOCK_MONOTONIC, 0), -1);
  try_kind("/dev/null", open("/dev/null", O_RDWR), open("/dev/null", O_RDWR));
  try_kind("writing end", ends[1], -1);
  FACT("read from the writing end: EBADF", read(ends[1], &byte, 1) == -1 && errno == EBADF);
  FACT("write to the reading end: EBADF", write(ends[0], &byte, 1) == -1 && errno == EBADF);
  FACT("read of a closed number: EBADF", read(999, &byte, 1) == -1 && errno == EBADF);
  FACT("read of -1: EBADF", read(-1, &byte, 1) == -1 && errno == EBADF);
  FACT("write of a number beyond all: EBADF", write(1 << 30, &byte, 1) == -1 && errno == EBADF);
  CHECK(write(ends[1], "xyz", 3) == 3);
  FACT("read to a bad address: EFAULT", read(ends[0], nowhere, 3) == -1 && errno == EFAULT);
  FACT("write from a bad address: EFAULT", write(ends[1], nowhere, 3) == -1 && errno == EFAULT);
  FACT("pread of a pipe: ESPIPE", pread(ends[0], &byte, 1, 0) == -1 && errno == ESPIPE);
  struct iovec part = {&byte, 1};
  FACT("too many parts: EINVAL", readv(ends[0], &part, far_too_many) == -1 && errno == EINVAL);
  FACT("preadv2 at -1 reads on", preadv2(ends[0], &part, 1, -1, 0) == 1);
  FACT("preadv2 with RWF_NOWAIT on an empty pipe: EAGAIN",
       read(ends[0], (char[8]){0}, 8) == 2 && preadv2(ends[0], &part, 1, -1, RWF_NOWAIT) == -1 &&
           errno == EAGAIN);
  FACT("read of a directory: EISDIR", read(open("/", O_RDONLY), &byte, 1) == -1 && errno == EISDIR);
  return unused;
}

int main(void) {
  say("-- in a thread");
  join(start(all_of_them, NULL));
  say("-- in main");
  all_of_them(NULL);
  return 0;
}
