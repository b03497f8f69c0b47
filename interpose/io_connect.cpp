// accept and connect: the calls that only O_NONBLOCK keeps from waiting.
#include <netinet/in.h>
#include <poll.h>

#include "interpose/io.h"
#include "interpose/io_wait.h"

namespace vervet::interpose::io {
namespace {

long accept_now(int fd, sockaddr* from, socklen_t* from_size, int flags) {
  return sys::call(SYS_accept4, fd, sys::word(from), sys::word(from_size), flags);
}

// A listener of AF_UNIX that was shut down says so only to who waits.
long ended_or(const descriptor& d, int fd, long result) {
  bool perhaps =
      result == -EAGAIN && (d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) != 0;
  return perhaps && (look(fd, POLLRDHUP) & POLLRDHUP) != 0 ? -EINVAL : result;
}

// Without O_NONBLOCK: another process may take the connection between our look and our accept. Then
// this carrier waits for the next one, and the monitor relieves it.
long accept_on_shared(int fd, sockaddr* from, socklen_t* from_size, int flags) {
  if (look(fd, POLLIN) == 0) return -EAGAIN;
  // Nobody relieves an OS thread.
  if (thread::self() == nullptr)
    return offload(SYS_accept4, fd, sys::word(from), sys::word(from_size), flags);
  return lasting_call(SYS_accept4, fd, sys::word(from), sys::word(from_size), flags);
}

long connect_now(int fd, const sockaddr* to, socklen_t to_size) {
  return sys::call(SYS_connect, fd, sys::word(to), to_size);
}

long pending_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  sys::call(SYS_getsockopt, fd, SOL_SOCKET, SO_ERROR, sys::word(&error), sys::word(&size));
  return -error;
}

// One call that does not wait. An unconnected socket looks writable and hung up: what was seen of
// it before means nothing.
long try_to_connect(operation& op, const sockaddr* to, socklen_t to_size) {
  op.d.ready.fetch_and(~(descriptor::writable | descriptor::irregular), std::memory_order_seq_cst);
  long result = -EALREADY;
  with_nonblock(op.fd, op.d, result, [&] { return connect_now(op.fd, to, to_size); });
  // Some families do not finish at the second call what the first began.
  if (result == -EALREADY && (look(op.fd, POLLOUT) & POLLOUT) != 0) return pending_error(op.fd);
  return result;
}

// Until it is connected, or will not be.
long connect_and_wait(operation& op, const sockaddr* to, socklen_t to_size) {
  bool local = to != nullptr && to_size >= sizeof to->sa_family && to->sa_family == AF_UNIX;
  bool waited = false;
  for (;;) {
    if (op.d.shared.load(std::memory_order_relaxed))
      return offload(SYS_connect, op.fd, sys::word(to), to_size);
    long result = try_to_connect(op, to, to_size);
    // A second thread may have seen it through.
    if (result == -EISCONN && waited) return 0;
    bool full_backlog = local && result == -EAGAIN;
    if (result != -EINPROGRESS && result != -EALREADY && !full_backlog) return result;
    long error = full_backlog ? back_off(op) : wait(op);
    if (error != 0) return error == -EAGAIN && !full_backlog ? -EINPROGRESS : error;
    waited = true;
  }
}

}  // namespace

long accept(int fd, sockaddr* from, socklen_t* from_size, int flags) {
  start_call();
  descriptor* d = known(fd);
  bool waits = d != nullptr && is_socket(*d) && d->listening.load(std::memory_order_relaxed) &&
               !never_waits(fd, *d);
  long accepted;
  if (waits) {
    operation op = reading(fd, *d);
    accepted = attempt(op, [&] {
      {
        nonblock_section section;
        if (hide_nonblock(fd, *d)) return ended_or(*d, fd, accept_now(fd, from, from_size, flags));
      }
      return accept_on_shared(fd, from, from_size, flags);
    });
    leave_rest(op);
  } else {
    accepted = lasting_call(SYS_accept4, fd, sys::word(from), sys::word(from_size), flags);
  }
  if (accepted >= 0 && d != nullptr) adopt_accepted(static_cast<int>(accepted), *d, flags);
  return accepted;
}

long connect(int fd, const sockaddr* to, socklen_t to_size) {
  start_call();
  descriptor* d = known(fd);
  if (d == nullptr || !is_socket(*d) || never_waits(fd, *d))
    return lasting_call(SYS_connect, fd, sys::word(to), to_size);
  operation op = writing(fd, *d);
  long result = connect_and_wait(op, to, to_size);
  leave_rest(op);
  return result;
}

}  // namespace vervet::interpose::io
