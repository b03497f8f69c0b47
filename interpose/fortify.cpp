// The fortified twins: what programs built with _FORTIFY_SOURCE call where the buffer's size is
// known to the compiler. They check it as libc's do, then are the function itself.
#include <fcntl.h>

#include "interpose/real.h"

EXPORT
ssize_t __read_chk(int fd, void* buffer, size_t size, size_t room) {
  if (size > room) __chk_fail();
  return read(fd, buffer, size);
}

EXPORT
ssize_t __recv_chk(int fd, void* buffer, size_t size, size_t room, int flags) {
  if (size > room) __chk_fail();
  return recv(fd, buffer, size, flags);
}

EXPORT
ssize_t __recvfrom_chk(int fd, void* buffer, size_t size, size_t room, int flags,
                       struct sockaddr* from, socklen_t* from_size) {
  if (size > room) __chk_fail();
  return recvfrom(fd, buffer, size, flags, from, from_size);
}

EXPORT
int __poll_chk(struct pollfd* fds, nfds_t count, int timeout, size_t room) {
  if (room / sizeof *fds < count) __chk_fail();
  return poll(fds, count, timeout);
}

EXPORT
int __ppoll_chk(struct pollfd* fds, nfds_t count, const struct timespec* timeout,
                const sigset_t* mask, size_t room) {
  if (room / sizeof *fds < count) __chk_fail();
  return ppoll(fds, count, timeout, mask);
}

namespace {

// Opening with these needs a mode, which these forms do not have: libc ends the process.
bool lacks_mode(int flags) { return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE; }

}  // namespace

EXPORT
int __open_2(const char* path, int flags) {
  if (lacks_mode(flags)) return vervet::interpose::real().__open_2(path, flags);
  return open(path, flags);
}

EXPORT
int __openat_2(int directory, const char* path, int flags) {
  if (lacks_mode(flags)) return vervet::interpose::real().__openat_2(directory, path, flags);
  return openat(directory, path, flags);
}
