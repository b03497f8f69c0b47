// The poller contract: what the hub needs from the kernel's readiness interface. One implementation,
// epoll_poller.cpp. Registrations are edge-triggered and for life; an event carries the cookie that
// its registration was given, so that the receiver can tell a stale one.
#pragma once

#include <stdint.h>

#include "runtime/deadline.h"

namespace vervet {

struct poll_event {
  uint64_t cookie;
  uint32_t events;  // EPOLLIN and friends
};

class poller {
 public:
  static constexpr int batch = 128;

  // Opens it. Returns 0 or a negated error number.
  int open();
  void close();
  bool is_open() const { return epoll_fd_ >= 0; }

  // Registers `fd`. 0, -EEXIST (registered under this number already), -EPERM (not pollable), -EBADF…
  int add(int fd, uint64_t cookie);
  // Gives the registration of `fd` a new cookie and re-reports its present state.
  int modify(int fd, uint64_t cookie);
  int remove(int fd);

  // Waits for events until `until` (at_once: only looks). Returns how many, 0 on timeout, interrupt() or
  // a signal. `interrupted` tells whether this call met an interrupt(). Several threads may wait; an
  // event or an interrupt goes to one of them.
  int wait(poll_event* events, deadline until, bool* interrupted = nullptr);

  // Makes one waiter, present or future, return. Async-signal-safe.
  void interrupt();

  // The descriptors that must survive the program's close_range() and be invisible to it.
  bool owns(int fd) const { return fd >= 0 && (fd == epoll_fd_ || fd == wake_fd_); }
  // The lowest of them that is >= `first`; -1 if there is none.
  int lowest_owned(int first) const {
    int low = epoll_fd_ < wake_fd_ ? epoll_fd_ : wake_fd_;
    int high = epoll_fd_ < wake_fd_ ? wake_fd_ : epoll_fd_;
    return low >= first ? low : high >= first ? high : -1;
  }

 private:
  int epoll_fd_ = -1;
  int wake_fd_ = -1;
};

}  // namespace vervet
