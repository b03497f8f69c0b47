// poll, select, epoll: waits on several descriptors.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/io_descriptor.h"
#include "interpose/io_wait.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

bool valid(const timespec& t) {
  return t.tv_sec >= 0 && t.tv_nsec >= 0 && t.tv_nsec < 1'000'000'000;
}

deadline after_milliseconds(int timeout) {
  if (timeout == 0) return at_once;
  return timeout < 0 ? never : after(timeout * int64_t{1'000'000});
}

deadline after_time(const timespec* timeout) {
  if (timeout == nullptr) return never;
  int64_t nanoseconds = nanoseconds_of(*timeout);
  return nanoseconds == 0 ? at_once : after(nanoseconds);
}

// Waits with `mask` as the fiber's. A signal that only this lets through ends the wait also if it
// was pending before, and if there is no time to wait.
template <typename Wait>
long with_mask(const sigset_t* mask, Wait wait) {
  if (mask == nullptr || !threads_are_fibers() || thread::self() == nullptr) return wait();
  fiber& self = *thread::self();
  signal_set kept = self.thread.signal_mask.load(std::memory_order_relaxed);
  signal_set asked;
  __builtin_memcpy(&asked, mask, sizeof asked);
  signals::set_mask(self, asked);
  long result = wait();
  if (result == 0 && interruption_due(self, wait_class::signals))
    result = io::after_interruption(false);
  signals::set_mask(self, kept);
  return result;
}

// On an OS thread the mask is the kernel's business, and its other fibers'. A wait with another mask
// than the present one is for its signals: the kernel waits.
bool waits_for_signals(const sigset_t* mask) {
  if (mask == nullptr || on_thread_fiber()) return false;
  uint64_t present = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, 0, sys::word(&present), sizeof present);
  return __builtin_memcmp(mask, &present, sizeof present) != 0;
}

// select tells what is left of its time.
void put_left(timeval& timeout, deadline until) {
  int64_t left = until == at_once ? 0 : until - now();
  if (left < 0) left = 0;
  timeout.tv_sec = left / 1'000'000'000;
  timeout.tv_usec = left % 1'000'000'000 / 1000;
}

}  // namespace

EXPORT
int poll(struct pollfd* fds, nfds_t count, int timeout) {
  if (!on_fiber()) return real().poll(fds, count, timeout);
  runtime_scope scope;
  return static_cast<int>(result_of(io::poll(fds, count, after_milliseconds(timeout))));
}

EXPORT
int ppoll(struct pollfd* fds, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
  if (!on_fiber() || (timeout != nullptr && !valid(*timeout)) || waits_for_signals(mask))
    return real().ppoll(fds, count, timeout, mask);
  runtime_scope scope;
  return static_cast<int>(
      result_of(with_mask(mask, [&] { return io::poll(fds, count, after_time(timeout)); })));
}

EXPORT
int select(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
           struct timeval* timeout) {
  if (!on_fiber() || (timeout != nullptr && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
    return real().select(count, readable, writable, exceptional, timeout);
  runtime_scope scope;
  deadline until = never;
  if (timeout != nullptr) {
    timespec t{timeout->tv_sec + timeout->tv_usec / 1'000'000, timeout->tv_usec % 1'000'000 * 1000};
    until = after_time(&t);
  }
  long found = io::select(count, readable, writable, exceptional, until);
  if (timeout != nullptr && until != never) put_left(*timeout, until);
  return static_cast<int>(result_of(found));
}

EXPORT
int pselect(int count, fd_set* readable, fd_set* writable, fd_set* exceptional,
            const struct timespec* timeout, const sigset_t* mask) {
  if (!on_fiber() || (timeout != nullptr && !valid(*timeout)) || waits_for_signals(mask))
    return real().pselect(count, readable, writable, exceptional, timeout, mask);
  runtime_scope scope;
  return static_cast<int>(result_of(with_mask(mask, [&] {
    return io::select(count, readable, writable, exceptional, after_time(timeout));
  })));
}

EXPORT
int epoll_wait(int fd, struct epoll_event* events, int capacity, int timeout) {
  if (!on_fiber()) return real().epoll_wait(fd, events, capacity, timeout);
  runtime_scope scope;
  return static_cast<int>(
      result_of(io::epoll_wait(fd, events, capacity, after_milliseconds(timeout))));
}

EXPORT
int epoll_pwait(int fd, struct epoll_event* events, int capacity, int timeout,
                const sigset_t* mask) {
  if (!on_fiber() || waits_for_signals(mask))
    return real().epoll_pwait(fd, events, capacity, timeout, mask);
  runtime_scope scope;
  return static_cast<int>(result_of(with_mask(
      mask, [&] { return io::epoll_wait(fd, events, capacity, after_milliseconds(timeout)); })));
}

EXPORT
int epoll_pwait2(int fd, struct epoll_event* events, int capacity, const struct timespec* timeout,
                 const sigset_t* mask) {
  if (!on_fiber() || (timeout != nullptr && !valid(*timeout)) || waits_for_signals(mask))
    return real().epoll_pwait2(fd, events, capacity, timeout, mask);
  runtime_scope scope;
  return static_cast<int>(result_of(
      with_mask(mask, [&] { return io::epoll_wait(fd, events, capacity, after_time(timeout)); })));
}

EXPORT
int epoll_create(int size) noexcept {
  int fd = real().epoll_create(size);
  if (fd < 0 || dormant()) return fd;
  runtime_scope scope;
  io::adopt(fd, descriptor_kind::epoll, false);
  return fd;
}

EXPORT
int epoll_create1(int flags) noexcept {
  int fd = real().epoll_create1(flags);
  if (fd < 0 || dormant()) return fd;
  runtime_scope scope;
  io::adopt(fd, descriptor_kind::epoll, false);
  return fd;
}
