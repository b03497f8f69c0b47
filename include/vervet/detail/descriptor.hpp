// An owned non-blocking descriptor, and system calls on it that wait: what fd and the sockets are.
// Not for direct use.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/types.h>

#include <vervet/abi.h>
#include <vervet/buffer.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet::detail {

[[noreturn]] inline void throw_errno(int error, const char* what) {
  throw std::system_error(error, std::generic_category(), what);
}

// After vervet_io() or vervet_wait_fd().
inline void check_wait(int error, const char* what) {
  if (error == ETIMEDOUT) throw timed_out(what);
  if (error != 0) throw_wait_error(error, what);
}

// Thread safety: calls that move data from any fiber or thread; moves and the destructor as of any
// object.
class descriptor {
 public:
  descriptor() noexcept = default;
  descriptor(descriptor&& other) noexcept : number_(other.number_.exchange(-1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    if (this != &other) {
      int number = other.number_.exchange(-1);
      close();
      number_.store(number);
    }
    return *this;
  }
  ~descriptor() { close(); }

  // close() closes it; no effect on an empty one. Who waits for it gets std::system_error
  // bad_file_descriptor (as in gevent; Linux by itself leaves a reader in read() for ever), and so
  // does each later call. Never blocks. From another kernel thread, only while no call on it can
  // begin, for the number may be given to a new descriptor at once; shutdown() of a socket knows no
  // such limit.
  void close() noexcept {
    int number = number_.exchange(-1);
    if (number >= 0) vervet_close(number);
  }

  // False for an empty, closed or moved-from one.
  explicit operator bool() const noexcept { return native_handle() >= 0; }

  // The number, -1 if empty: for fcntl(), setsockopt() and the like. It is non-blocking. Do not
  // close it.
  int native_handle() const noexcept { return number_.load(std::memory_order_relaxed); }

  // Gives the descriptor up: returns the number, which the caller closes. It stays non-blocking.
  // REQUIRES: nobody waits for it.
  int release() noexcept { return number_.exchange(-1); }

  // Parks until reading (writing) does not wait, or the peer has hung up. Throws timed_out,
  // cut_short, std::system_error.
  void wait_readable(deadline until = {}) const { wait(VERVET_READABLE, until, "vervet: wait"); }
  void wait_writable(deadline until = {}) const { wait(VERVET_WRITABLE, until, "vervet: wait"); }

 protected:
  // Adopts a number that nobody else waits for. Throws std::system_error; then it is not ours.
  static int adopted(int number, bool nonblocking) {
    int error = nonblocking ? vervet_adopt_nonblocking_fd(number) : vervet_adopt_fd(number);
    if (error != 0) throw_errno(error, "vervet: descriptor");
    return number;
  }

  // What a system call has just made, non-blocking: closed if it cannot be adopted.
  struct fresh {
    int number;
  };
  explicit descriptor(fresh made) {
    int error = vervet_adopt_nonblocking_fd(made.number);
    if (error != 0) {
      ::close(made.number);
      throw_errno(error, "vervet: descriptor");
    }
    number_.store(made.number);
  }
  struct given {
    int number;
  };
  explicit descriptor(given number) : number_(adopted(number.number, false)) {}

  // The result of `attempt()`, a system call on number(), once it does not say EAGAIN.
  template <typename Attempt>
  std::size_t io(unsigned events, std::size_t wanted, deadline until, const char* what,
                 Attempt attempt) const {
    // A descriptor that is always ready must not starve the other fibers.
    // (Two threads that count at once may count once: that is near enough.)
    unsigned calls = calls_.load(std::memory_order_relaxed);
    calls_.store(calls + 1, std::memory_order_relaxed);
    if ((calls & 127) == 127) yield();
    vervet_io_result result{};
    auto call = [](void* a) -> ssize_t { return (*static_cast<Attempt*>(a))(); };
    int error = vervet_io(native_handle(), events, call, std::addressof(attempt), wanted,
                          until.monotonic(), &result);
    if (error == ETIMEDOUT) {
      // What has come may not have been noticed, least of all if the deadline had passed before.
      result.value = attempt();
      result.error = errno;
      if (result.value < 0 && result.error == EAGAIN) throw timed_out(what);
    } else {
      check_wait(error, what);
    }
    if (result.value < 0) throw_errno(result.error, what);
    return static_cast<std::size_t>(result.value);
  }

 private:
  void wait(unsigned events, deadline until, const char* what) const {
    int number = native_handle();
    int error = number < 0 ? EBADF : vervet_wait_fd(number, events, until.monotonic());
    if (error != EPERM) check_wait(error, what);  // what cannot be polled is always ready
  }

  std::atomic<int> number_{-1};
  mutable std::atomic<unsigned> calls_{0};
};

// All of `from`, piece by piece.
template <typename Stream>
void write_each(Stream& to, const_buffer from, deadline until) {
  while (from.size() != 0) from = from.after(to.write_some(from, until));
}

}  // namespace vervet::detail
