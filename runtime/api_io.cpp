// The C interface: descriptors.
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "runtime/descriptor.h"
#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"
#include "vervet/abi.h"

using namespace vervet;

namespace {

// While the caller waits for a descriptor it does so in a hub, an OS thread without fibers too.
class waits_in_hub {
 public:
  waits_in_hub() {
    if (self_state.current != nullptr) return;
    hub_ = light_hub::here();
    if (hub_ == nullptr) return;
    runtime_scope scope;
    hub_->pin();
  }
  ~waits_in_hub() {
    if (hub_ == nullptr) return;
    runtime_scope scope;
    hub_->unpin();
  }
  waits_in_hub(const waits_in_hub&) = delete;
  waits_in_hub& operator=(const waits_in_hub&) = delete;
  explicit operator bool() const { return self_state.current != nullptr; }

 private:
  light_hub* hub_ = nullptr;
};

int wait(int fd, uint32_t events, deadline until, bool renew,
         const uint32_t* generation = nullptr) {
  waits_in_hub hub;
  if (!hub) return EAGAIN;
  runtime_scope scope;
  for (;;) {
    wait_for what = events == EPOLLIN ? wait_for::readable : wait_for::writable;
    switch (wait_ready(fd, events, what, until, wait_class::api, renew, generation)) {
      case readiness::ready:
        return 0;
      case readiness::timed_out:
        return ETIMEDOUT;
      case readiness::closed:
        return EBADF;
      case readiness::cut:
        return ECANCELED;
      case readiness::unpollable:
        return EPERM;
      case readiness::interrupted:
        handle_interruption(false);
    }
  }
}

bool is_tcp(int fd) {
  int domain = 0, type = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
  size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return false;
  return type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
}

// Only plain TCP proves by moving less than it could that nothing is left, and not near its end.
bool short_means_empty(int fd, descriptor& d) {
  descriptor_kind kind = d.kind.load(std::memory_order_relaxed);
  if (kind == descriptor_kind::unknown) {
    kind = is_tcp(fd) ? descriptor_kind::tcp : descriptor_kind::pollable;
    d.kind.store(kind, std::memory_order_relaxed);
  }
  return kind == descriptor_kind::tcp &&
         (d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) == 0;
}

}  // namespace

int vervet_wait_fd(int fd, unsigned events, int64_t deadline) {
  bool reads = events == VERVET_READABLE;
  if (!reads && events != VERVET_WRITABLE) return EINVAL;
  if (fd < 0) return EBADF;
  if (!descriptors_start()) return EAGAIN;
  return wait(fd, reads ? EPOLLIN : EPOLLOUT, deadline, true);
}

int vervet_adopt_fd(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return errno;
  if ((flags & O_NONBLOCK) == 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno;
  return vervet_adopt_nonblocking_fd(fd);
}

int vervet_adopt_nonblocking_fd(int fd) {
  if (!descriptors_start()) return EAGAIN;
  runtime_scope scope;
  retire_descriptor(fd);
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return EBADF;
  d->nonblocking.store(true, std::memory_order_relaxed);
  return 0;
}

int vervet_io(int fd, unsigned events, ssize_t (*attempt)(void*), void* argument, size_t wanted,
              int64_t deadline, vervet_io_result* result) {
  bool reads = events == VERVET_READABLE;
  descriptor* d = descriptor_of(fd);
  if (d == nullptr || (!reads && events != VERVET_WRITABLE)) return d == nullptr ? EBADF : EINVAL;
  const direction& way = reads ? reading_direction : writing_direction;
  uint32_t generation = d->generation.load(std::memory_order_relaxed);
  // Whoever only looks asks the kernel: an event may not have been seen yet.
  bool looks = deadline != never && deadline <= now();
  for (;;) {
    if (looks || worth_trying(*d, way)) {
      auto nothing_now = [](ssize_t value) {
        return value < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
      };
      ssize_t value = try_call(*d, way, [=] { return attempt(argument); }, nothing_now);
      int error = value < 0 ? errno : 0;
      bool nothing = error == EAGAIN || error == EWOULDBLOCK;
      bool emptied = value > 0 && static_cast<size_t>(value) < wanted && short_means_empty(fd, *d);
      if (!nothing && !emptied) {
        runtime_scope scope;
        leave_rest(*d, way);
      }
      if (!nothing && error != EINTR) {
        *result = {value, error};
        return 0;
      }
    }
    int error = wait(fd, way.events, deadline, false, &generation);
    if (error == EPERM) error = EBADF;
    if (error != 0) return error;
    // Closed between the event and our turn: the number may be another's by now.
    if (d->generation.load(std::memory_order_relaxed) != generation) return EBADF;
    looks = false;
  }
}

int vervet_close(int fd) {
  runtime_scope scope;
  if (descriptors_start()) retire_descriptor(fd);
  long result = sys::close(fd);
  // Linux has closed it also when a signal came in between.
  return result == 0 || result == -EINTR ? 0 : static_cast<int>(-result);
}
