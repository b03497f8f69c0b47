#include <errno.h>
#include <sys/eventfd.h>

#include "runtime/poller.h"
#include "runtime/sys.h"

namespace vervet {
namespace {

constexpr uint64_t wake_cookie = UINT64_MAX;
constexpr uint32_t both_directions = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI | EPOLLET;

}  // namespace

int poller::open() {
  long epoll_fd = sys::epoll_create();
  if (epoll_fd < 0) return static_cast<int>(epoll_fd);
  long wake_fd = sys::call(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    sys::close(static_cast<int>(epoll_fd));
    return static_cast<int>(wake_fd);
  }
  epoll_fd_ = sys::move_high(static_cast<int>(epoll_fd));
  wake_fd_ = sys::move_high(static_cast<int>(wake_fd));
  // Edge-triggered and never read: each write is one edge, for one waiter.
  epoll_event event{EPOLLIN | EPOLLET, {.u64 = wake_cookie}};
  return static_cast<int>(sys::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event));
}

void poller::close() {
  if (epoll_fd_ >= 0) sys::close(epoll_fd_);
  if (wake_fd_ >= 0) sys::close(wake_fd_);
  epoll_fd_ = wake_fd_ = -1;
}

int poller::add(int fd, uint64_t cookie) {
  epoll_event event{both_directions, {.u64 = cookie}};
  return static_cast<int>(sys::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event));
}

int poller::modify(int fd, uint64_t cookie) {
  epoll_event event{both_directions, {.u64 = cookie}};
  return static_cast<int>(sys::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event));
}

int poller::remove(int fd) {
  return static_cast<int>(sys::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr));
}

int poller::wait(poll_event* events, deadline until, bool* interrupted) {
  epoll_event raw[batch];
  timespec timeout{};
  if (until != never && until != at_once) {
    int64_t left = until - now();
    if (left > 0) timeout = timespec_of(left);
  }
  long count = sys::epoll_wait(epoll_fd_, raw, batch, until == never ? nullptr : &timeout);
  int kept = 0;
  bool met_interrupt = false;
  for (long i = 0; i < count; ++i) {
    if (raw[i].data.u64 == wake_cookie)
      met_interrupt = true;
    else
      events[kept++] = {raw[i].data.u64, raw[i].events};
  }
  if (interrupted != nullptr) *interrupted = met_interrupt;
  return kept;
}

void poller::interrupt() {
  uint64_t one = 1;
  sys::write(wake_fd_, &one, sizeof one);
}

}  // namespace vervet
