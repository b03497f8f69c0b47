// Any descriptor that can be waited for: fd, and pipes.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <ctime>

#include <fcntl.h>
#include <unistd.h>

#include <vervet/buffer.hpp>
#include <vervet/detail/descriptor.hpp>
#include <vervet/detail/system_call.hpp>
#include <vervet/time.hpp>

namespace vervet {

struct pipe_ends;

namespace detail {

// write() that never raises SIGPIPE: a library must not end its program because a peer has gone.
inline ssize_t write_quietly(int number, const_buffer from) noexcept {
  sigset_t pipe, before;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &before);
  ssize_t written = ::write(number, from.data(), from.size());
  int error = errno;
  if (sigismember(&before, SIGPIPE) == 0) {
    timespec at_once{};
    // It is directed at this thread, and nobody else's: ours is the only one there can be.
    if (written < 0 && error == EPIPE) sigtimedwait(&pipe, nullptr, &at_once);
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  errno = error;
  return written;
}

}  // namespace detail

// An fd owns a descriptor: a pipe's end, a terminal, an eventfd, an inherited socket. Movable, not
// copyable; the destructor closes it. (Sockets of this library are tcp_socket and its kin.)
//
// Calls wait by parking the calling fiber, or the OS thread if it hosts none. Any number of fibers
// may wait for one descriptor, in each direction, first come first served (gevent and asyncio
// refuse the second one). They throw timed_out, cut_short, and std::system_error with the kernel's
// error; bad_file_descriptor once it is closed, also to those who wait then.
// Regular files never make a caller park: the kernel blocks the thread. Offload them.
class fd : public detail::descriptor {
 public:
  fd() noexcept = default;

  // Takes over `number` and makes it non-blocking: its description, which other processes may
  // share (a terminal, an inherited pipe). Where that would hurt, use wait_readable(int) and
  // read(). Throws std::system_error; then the number is the caller's still.
  explicit fd(int number) : descriptor(given{number}) {}

  // read_some() waits until there is something and takes what there is; 0 at the end of file, or if
  // `to` is empty.
  std::size_t read_some(buffer to, deadline until = {}) {
    if (to.size() == 0) return 0;
    return io(VERVET_READABLE, 0, until, "vervet: read",
              [=, this] { return detail::read(native_handle(), to.data(), to.size()); });
  }

  // write_some() waits until something can be written, and returns how much was. broken_pipe if
  // nobody can read it any more, without SIGPIPE.
  std::size_t write_some(const_buffer from, deadline until = {}) {
    return io(VERVET_WRITABLE, 0, until, "vervet: write",
              [=, this] { return detail::write_quietly(native_handle(), from); });
  }

  // write_all() returns when everything is written. If it throws, an unknown part is. The parts of
  // two fibers' calls may mix.
  void write_all(const_buffer from, deadline until = {}) { detail::write_each(*this, from, until); }

 private:
  friend pipe_ends make_pipe();
  explicit fd(fresh made) : descriptor(made) {}
};

// A pipe: what is written into `in` is read from `out`. Both are closed in a child that calls exec.
struct pipe_ends {
  fd out;  // read here
  fd in;   // write here
};

// make_pipe() makes one. Throws std::system_error.
inline pipe_ends make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) detail::throw_errno(errno, "vervet: pipe");
  return {fd(fd::fresh{ends[0]}), fd(fd::fresh{ends[1]})};
}

// wait_readable() parks until `number` can be read without waiting (or has been hung up); for
// descriptors of others: client libraries, poll() loops. Nothing about it is changed or remembered.
// Throws timed_out, cut_short, std::system_error (bad_file_descriptor; operation_not_permitted for
// what is always ready, such as regular files).
inline void wait_readable(int number, deadline until = {}) {
  detail::check_wait(vervet_wait_fd(number, VERVET_READABLE, until.monotonic()), "vervet: wait");
}
inline void wait_writable(int number, deadline until = {}) {
  detail::check_wait(vervet_wait_fd(number, VERVET_WRITABLE, until.monotonic()), "vervet: wait");
}

}  // namespace vervet
