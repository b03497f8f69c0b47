// Calls that move bytes inside the kernel, and those that wait for a lock or a FIFO's other end.
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "interpose/io.h"
#include "interpose/io_wait.h"

namespace vervet::interpose::io {
namespace {

// True if moving data through it may wait.
bool moves_with_waiting(int fd, const descriptor* d) {
  return !counted(d == nullptr || is_kind(*d, descriptor_kind::never_parks) || never_waits(fd, *d));
}

// One end of a splice. Null descriptor: it never waits.
struct end {
  int fd;
  descriptor* d;
  uint32_t events;
  bool patient;  // else the program asked not to wait for it
};

end end_of(int fd, uint32_t events, unsigned flags) {
  descriptor* d = known(fd);
  bool asked_not_to =
      d != nullptr && is_kind(*d, descriptor_kind::pipe) && (flags & SPLICE_F_NONBLOCK) != 0;
  return {fd, moves_with_waiting(fd, d) ? d : nullptr, events, !asked_not_to};
}

long wait_for_end(const end& e) {
  if (e.d == nullptr) return 0;
  operation op{e.fd, *e.d, e.events};
  if (!e.patient) return looks_possible(op) ? 0 : -EAGAIN;
  return wait_until_possible(op);
}

// Both ends first look possible; then `call` does what can be done without waiting.
template <typename Call>
long splice_ends(const end& in, const end& out, Call call) {
  unsigned rounds = 0;
  for (;;) {
    long result = call();
    if (result != -EAGAIN || (in.d == nullptr && out.d == nullptr)) return result;
    long error = wait_for_end(in);
    if (error == 0) error = wait_for_end(out);
    // Possible on both ends and refused all the same: nothing will tell when that changes.
    if (error == 0 && rounds > 0) error = back_off(rounds, wait_for::writable, never, true);
    if (error != 0) return error;
    ++rounds;
  }
}

bool may_wait_for_other_end(int flags) {
  if ((flags & (O_NONBLOCK | O_PATH | O_DIRECTORY)) != 0) return false;
  return (flags & O_ACCMODE) != O_RDWR && (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
}

bool is_fifo(int directory, const char* path) {
  struct stat status;
  return sys::call(SYS_newfstatat, directory, sys::word(path), sys::word(&status)) == 0 &&
         S_ISFIFO(status.st_mode);
}

// A writer is told that nobody reads yet. A reader is not told that nobody writes, so its wait is a
// pool thread's; writers never need one, so the pool cannot fill up with both sides.
long open_fifo(int directory, const char* path, int flags, mode_t mode) {
  if ((flags & O_ACCMODE) != O_WRONLY)
    return offload(SYS_openat, directory, sys::word(path), flags, mode);
  unsigned rounds = 0;
  for (;;) {
    long fd = sys::call(SYS_openat, directory, sys::word(path), flags | O_NONBLOCK, mode);
    if (fd >= 0) set_nonblock(static_cast<int>(fd), false);
    if (fd != -ENXIO) return fd;
    long error = back_off(rounds, wait_for::other, never, true);
    if (error != 0) return error;
  }
}

}  // namespace

long send_file(int out, int in, off_t* offset, size_t count) {
  scheduler::give_way();
  descriptor* d = known(out);
  auto call = [&](size_t size) {
    return sys::call(SYS_sendfile, out, in, sys::word(offset), static_cast<long>(size));
  };
  if (!moves_with_waiting(out, d))
    return lasting_call(SYS_sendfile, out, in, sys::word(offset), static_cast<long>(count));
  if (d->shared.load(std::memory_order_relaxed))
    return offload(SYS_sendfile, out, in, sys::word(offset), static_cast<long>(count));
  operation op = writing(out, *d);
  size_t done = 0;
  do {
    long more = attempt(op, [&] {
      long moved = 0;
      size_t left = count - done;
      if (with_nonblock(out, *d, moved, [&] { return call(left); })) return moved;
      return offload(SYS_sendfile, out, in, sys::word(offset), static_cast<long>(left));
    });
    leave_rest(op);
    if (more < 0 && done == 0) return more;
    if (more <= 0) break;
    done += static_cast<size_t>(more);
    op.moved = true;
    // A socket takes all, a pipe what fits.
  } while (done < count && is_socket(*d));
  return static_cast<long>(done);
}

long splice(int in, off_t* in_offset, int out, off_t* out_offset, size_t size, unsigned flags) {
  start_call();
  end source = end_of(in, EPOLLIN, flags);
  end target = end_of(out, EPOLLOUT, flags);
  auto call = [&](bool elsewhere) {
    long a[] = {in,
                sys::word(in_offset),
                out,
                sys::word(out_offset),
                static_cast<long>(size),
                static_cast<long>(flags | SPLICE_F_NONBLOCK)};
    return elsewhere ? offload(SYS_splice, a[0], a[1], a[2], a[3], a[4], a[5])
                     : sys::call(SYS_splice, a[0], a[1], a[2], a[3], a[4], a[5]);
  };
  // The flag speaks of pipes; a socket's waiting is decided by its own O_NONBLOCK.
  const end& socket = source.d != nullptr && is_socket(*source.d) ? source : target;
  if (socket.d == nullptr || !is_socket(*socket.d))
    return splice_ends(source, target, [&] { return call(false); });
  return splice_ends(source, target, [&] {
    long moved = 0;
    if (with_nonblock(socket.fd, *socket.d, moved, [&] { return call(false); })) return moved;
    if (look(socket.fd, socket.events == EPOLLIN ? POLLIN : POLLOUT) == 0)
      return static_cast<long>(-EAGAIN);
    return call(true);
  });
}

long tee(int in, int out, size_t size, unsigned flags) {
  start_call();
  end source = end_of(in, EPOLLIN, flags);
  end target = end_of(out, EPOLLOUT, flags);
  return splice_ends(source, target, [&] {
    return sys::call(SYS_tee, in, out, static_cast<long>(size), flags | SPLICE_F_NONBLOCK);
  });
}

long open(int directory, const char* path, int flags, mode_t mode) {
  start_call();
  if (may_wait_for_other_end(flags) && is_fifo(directory, path)) {
    long fd = open_fifo(directory, path, flags, mode);
    if (fd >= 0) adopt(static_cast<int>(fd), descriptor_kind::pipe, false);
    return fd;
  }
  long fd = lasting_call(SYS_openat, directory, sys::word(path), flags, mode);
  if (fd >= 0) adopt_unknown(static_cast<int>(fd));
  return fd;
}

long lock_record(int fd, int command, void* lock) {
  start_call();
  unsigned rounds = 0;
  for (;;) {
    long result = sys::call(SYS_fcntl, fd, command, sys::word(lock));
    if (result != -EAGAIN && result != -EACCES) return result;
    long error = back_off(rounds, wait_for::other, never, true);
    if (error != 0) return error;
  }
}

long lock_file(int fd, int operation) {
  unsigned rounds = 0;
  for (;;) {
    long result = sys::call(SYS_flock, fd, operation | LOCK_NB);
    if (result != -EWOULDBLOCK || (operation & LOCK_NB) != 0) return result;
    long error = back_off(rounds, wait_for::other, never, true);
    if (error != 0) return error;
  }
}

}  // namespace vervet::interpose::io
