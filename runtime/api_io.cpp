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
#include "runtime/watcher.h"
#include "vervet/abi.h"

using namespace vervet;

namespace {

// What one wait has come to: 0, an error number, or -1 if it goes on.
int error_of(readiness r) {
  switch (r) {
    case readiness::ready: return 0;
    case readiness::timed_out: return ETIMEDOUT;
    case readiness::closed: return EBADF;
    case readiness::cut: return ECANCELED;
    case readiness::unpollable: return EPERM;
    case readiness::interrupted: handle_interruption(false);
  }
  return -1;
}

inline int wait_in_hub(int fd, descriptor& d, uint32_t events, deadline until,
                       wait_options options) {
  runtime_scope scope;
  wait_for what = events == EPOLLIN ? wait_for::readable : wait_for::writable;
  for (;;) {
    readiness r = wait_ready(fd, d, events, what, until, options);
    if (r == readiness::ready) [[likely]]
      return 0;
    int error = error_of(r);
    if (error >= 0) return error;
  }
}

// An OS thread without fibers waits in a hub, too.
[[gnu::noinline]] int wait_as_thread(int fd, descriptor& d, uint32_t events, deadline until,
                                     wait_options options) {
  light_hub* hub = light_hub::here();
  if (hub == nullptr) return EAGAIN;
  {
    runtime_scope scope;
    hub->pin();
  }
  int error = wait_in_hub(fd, d, events, until, options);
  runtime_scope scope;
  hub->unpin();
  return error;
}

inline int wait(int fd, descriptor& d, uint32_t events, deadline until, wait_options options) {
  if (self_state.current == nullptr) [[unlikely]]
    return wait_as_thread(fd, d, events, until, options);
  return wait_in_hub(fd, d, events, until, options);
}

bool is_tcp(int fd) {
  int domain = 0, type = 0;
  socklen_t size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0) return false;
  size = sizeof type;
  if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) return false;
  return type == SOCK_STREAM && (domain == AF_INET || domain == AF_INET6);
}

[[gnu::noinline]] descriptor_kind learn_kind(int fd, descriptor& d) {
  descriptor_kind kind = is_tcp(fd) ? descriptor_kind::tcp : descriptor_kind::pollable;
  d.kind.store(kind, std::memory_order_relaxed);
  return kind;
}

// Only plain TCP proves by moving less than it could that nothing is left, and not near its end.
inline bool short_means_empty(int fd, descriptor& d) {
  descriptor_kind kind = d.kind.load(std::memory_order_relaxed);
  if (kind == descriptor_kind::unknown) [[unlikely]]
    kind = learn_kind(fd, d);
  return kind == descriptor_kind::tcp &&
         (d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) == 0;
}

// As leave_rest(), by the program's code.
[[gnu::always_inline]] inline void leave_rest_to_others(descriptor& d, const direction& way) {
  if (!keep_rest(d, way)) [[likely]]
    return;
  runtime_scope scope;
  pass_on(d, way.events);
}

struct request {
  int fd;
  uint32_t generation;  // of the number, before anything was tried
  descriptor& d;
  ssize_t (*attempt)(void*);
  void* argument;
  size_t wanted;
  deadline until;
  vervet_io_result* result;
};

bool says_again(ssize_t value) { return value < 0 && (errno == EAGAIN || errno == EWOULDBLOCK); }

// What follows is made for each direction, and in one piece: two calls of it are a request of a
// server.

// After a try that has failed. False if it may succeed later.
template <const direction& way>
[[gnu::noinline]] bool has_failed(descriptor& d, vervet_io_result* result) {
  int error = errno;
  if (error == EAGAIN || error == EWOULDBLOCK) return false;
  leave_rest_to_others(d, way);
  if (error == EINTR) return false;
  *result = {-1, error};
  return true;
}

// One try. False if it may succeed later.
template <const direction& way>
[[gnu::always_inline]] inline bool try_once(const request& r) {
  ssize_t value = try_call(
      r.d, way, [&] { return r.attempt(r.argument); }, says_again);
  if (value < 0) [[unlikely]]
    return has_failed<way>(r.d, r.result);
  bool emptied = value > 0 && static_cast<size_t>(value) < r.wanted && short_means_empty(r.fd, r.d);
  if (!emptied) leave_rest_to_others(r.d, way);
  *r.result = {value, 0};
  return true;
}

// Tries when its turn comes.
template <const direction& way>
[[gnu::always_inline]] inline int wait_and_try(const request& r) {
  do {
    int error = wait(r.fd, r.d, way.events, r.until,
                     {.interruptible = wait_class::api,
                      .tries = true,
                      .asked = true,
                      .generation = r.generation});
    if (error != 0) [[unlikely]]
      return error == EPERM ? EBADF : error;
    // Closed between the event and our turn: the number may be another's by now.
    if (r.d.generation.load(std::memory_order_relaxed) != r.generation) [[unlikely]]
      return EBADF;
  } while (!try_once<way>(r));
  return 0;
}

// Who has tried waits seldom.
template <const direction& way>
[[gnu::noinline]] int wait_after_try(request r) {
  return wait_and_try<way>(r);
}

template <const direction& way>
[[gnu::always_inline]] inline int move(const request& r) {
  // Whoever only looks asks the kernel: an event may not have been seen yet.
  bool looks = r.until != never && r.until <= now();
  if (!looks && !worth_trying(r.d, way)) return wait_and_try<way>(r);
  return try_once<way>(r) ? 0 : wait_after_try<way>(r);
}

}  // namespace

int vervet_wait_fd(int fd, unsigned events, int64_t deadline) {
  bool reads = events == VERVET_READABLE;
  if (!reads && events != VERVET_WRITABLE) return EINVAL;
  if (fd < 0) return EBADF;
  if (!descriptors_start()) return EAGAIN;
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) return EPERM;
  return wait(fd, *d, reads ? EPOLLIN : EPOLLOUT, deadline,
              {.interruptible = wait_class::api, .renew = true});
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
  descriptor* d = descriptor_of(fd);
  if (d == nullptr) [[unlikely]]
    return EBADF;
  uint32_t generation = d->generation.load(std::memory_order_relaxed);
  request r{fd, generation, *d, attempt, argument, wanted, deadline, result};
  if (events == VERVET_READABLE) return move<reading_direction>(r);
  if (events == VERVET_WRITABLE) return move<writing_direction>(r);
  return EINVAL;
}

namespace {

template <const direction& way>
int start(vervet_watcher& watcher, const request& r) {
  for (bool tries = worth_trying(r.d, way);; tries = true) {
    if (tries && try_once<way>(r)) return 0;
    int error = start_watcher(watcher, true);
    if (error == 0) return EINPROGRESS;
    if (error != EALREADY) return error == EPERM ? EBADF : error;
  }
}

bool was_closed(vervet_watcher& watcher) {
  uint64_t word = inside(watcher).word.load(std::memory_order_acquire);
  return inside(watcher).hub != nullptr && parker::reason_of(word) == wake_reason::closed;
}

}  // namespace

int vervet_io_start(vervet_watcher* watcher, ssize_t (*attempt)(void*), void* argument,
                    size_t wanted, vervet_io_result* result) {
  int fd = watcher->fd;
  descriptor* d = descriptor_of(fd);
  // Its number may be another's by now.
  if (d == nullptr || was_closed(*watcher)) return EBADF;
  request r{fd, 0, *d, attempt, argument, wanted, never, result};
  if (watcher->events == VERVET_READABLE) return start<reading_direction>(*watcher, r);
  if (watcher->events == VERVET_WRITABLE) return start<writing_direction>(*watcher, r);
  return EINVAL;
}

int vervet_close(int fd) {
  runtime_scope scope;
  if (descriptors_start()) retire_descriptor(fd);
  long result = sys::close(fd);
  // Linux has closed it also when a signal came in between.
  return result == 0 || result == -EINTR ? 0 : static_cast<int>(-result);
}
