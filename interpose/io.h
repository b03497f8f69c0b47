// Blocking calls as fibers make them. The wrappers decide whether; this is how.
//
// All functions named after a call take its arguments and return the kernel's result: a value >= 0
// or a negated error number. REQUIRES: on a fiber, inside exactly one runtime_scope (it is left
// while signal handlers run). Each is a cancellation point, and ends with ECANCELED if it is cut
// (runtime/scope.h) while it waits.
//
// Anything that the kernel answers at once, or in a way that we cannot improve on (non-blocking
// descriptors, wrong arguments, regular files), goes to it unchanged.
#pragma once

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "runtime/door.h"

namespace vervet::interpose {

// The kernel's result as libc gives it: errno is touched on failure alone.
inline long result_of(long raw) {
  if (!sys::failed(raw)) return raw;
  errno = static_cast<int>(-raw);
  return -1;
}

// ---- For fork, exec and posix_spawn

// From here to io_release_nonblock() no description carries an O_NONBLOCK of ours, and the caller
// is inside the runtime. After a fork the parent calls descriptors_forked() before it releases; the
// child, whose runtime starts anew, calls io_forget() instead.
void io_hold_nonblock();
void io_release_nonblock();
// Both, for an exec: should it fail, all goes on.
void io_reveal_hidden_nonblock();
void io_forget();

namespace io {

// A child may have what a dormant process created. Before any fork, vfork or spawn while dormant.
void forget_births();

// ---- Sockets
long receive(int fd, void* buffer, size_t size, int flags, sockaddr* from, socklen_t* from_size);
long receive_message(int fd, msghdr* message, int flags);
long receive_messages(int fd, mmsghdr* messages, unsigned count, int flags, timespec* timeout);
long send(int fd, const void* buffer, size_t size, int flags, const sockaddr* to,
          socklen_t to_size);
long send_message(int fd, const msghdr* message, int flags);
long send_messages(int fd, mmsghdr* messages, unsigned count, int flags);
long accept(int fd, sockaddr* from, socklen_t* from_size, int flags);
long connect(int fd, const sockaddr* to, socklen_t to_size);

// ---- Any descriptor
long read(int fd, void* buffer, size_t size);
long write(int fd, const void* buffer, size_t size);
long read_vector(int fd, const iovec* vector, int count);
long write_vector(int fd, const iovec* vector, int count);
long send_file(int out, int in, off_t* offset, size_t count);
long splice(int in, off_t* in_offset, int out, off_t* out_offset, size_t size, unsigned flags);
long tee(int in, int out, size_t size, unsigned flags);
long open(int directory, const char* path, int flags, mode_t mode);
// fcntl(F_SETLKW), fcntl(F_OFD_SETLKW): `command` is the one that does not wait.
long lock_record(int fd, int command, void* lock);
long lock_file(int fd, int operation);

// ---- Several descriptors, and none. `until` is the wait's end; at_once only looks.
long poll(pollfd* fds, size_t count, deadline until);
long select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional, deadline until);
long epoll_wait(int fd, epoll_event* events, int capacity, deadline until);
// Sleeps until `until`: 0, -EINTR or -ECANCELED.
long sleep(deadline until);

}  // namespace io
}  // namespace vervet::interpose
