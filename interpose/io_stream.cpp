// recv and send: bytes through sockets.
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>

#include "interpose/io.h"
#include "interpose/io_stream.h"

namespace vervet::interpose::io {
namespace {

// No call moves more.
constexpr size_t most_bytes = 0x7ffff000;

// With these a short read says nothing about what is left.
constexpr int harmless_flags = MSG_WAITALL | MSG_NOSIGNAL | MSG_CMSG_CLOEXEC;

// MSG_PEEK with MSG_WAITALL: the kernel waits until so much is there, or no more can come.
long peek_all(operation& op, long seen, size_t size, call_again again) {
  while (seen > 0 && static_cast<size_t>(seen) < size) {
    if (look(op.fd, POLLRDHUP) != 0) break;
    op.moved = true;
    if (wait(op) != 0) break;
    long more = attempt(op, again);
    if (more <= 0) break;
    seen = more;
  }
  leave_rest(op);
  return seen;
}

}  // namespace

void settle_read(const operation& op, long moved, size_t wanted, int flags) {
  if (moved == -EAGAIN && op.d.low_water.load(std::memory_order_relaxed) == 0) return;
  if (wanted > most_bytes) wanted = most_bytes;
  if ((flags & ~harmless_flags) != 0) return leave_rest(op);
  settle(op, moved, wanted);
}

bool error_pending(const operation& op) {
  if ((op.d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) == 0) return false;
  return (look(op.fd, 0) & POLLERR) != 0;
}

bool waits_for_more(const operation& op, size_t size) {
  constexpr short end = POLLRDHUP | POLLHUP | POLLERR;
  short seen = look(op.fd, POLLIN | POLLRDHUP);
  // TCP says so itself, and wakes nobody before.
  if ((seen & (is_kind(op.d, descriptor_kind::tcp) ? POLLIN | end : end)) != 0) return false;
  int arrived = 0;
  auto mark = static_cast<size_t>(op.d.low_water.load(std::memory_order_relaxed));
  sys::call(SYS_ioctl, op.fd, FIONREAD, sys::word(&arrived));
  return static_cast<size_t>(arrived) < (mark < size ? mark : size);
}

long end_or_again(const operation& op) {
  bool perhaps = is_kind(op.d, descriptor_kind::datagram) &&
                 (op.d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) != 0;
  return perhaps && (look(op.fd, POLLRDHUP) & POLLRDHUP) != 0 ? 0 : -EAGAIN;
}

bool receives_at_once(const descriptor* d, int flags) {
  return counted(d == nullptr || !is_socket(*d) || never_waits(*d) ||
                 (flags & (MSG_DONTWAIT | MSG_OOB | MSG_ERRQUEUE)) != 0);
}

bool sends_at_once(const descriptor* d, int flags) {
  return counted(d == nullptr || !is_socket(*d) || never_waits(*d) || (flags & MSG_DONTWAIT) != 0);
}

long wait_for_all(operation& op, long moved, size_t wanted, int flags, vector_rest rest,
                  call_again again) {
  bool whole = (flags & MSG_WAITALL) != 0 && moved > 0 && static_cast<size_t>(moved) < wanted;
  if (!whole || is_kind(op.d, descriptor_kind::datagram)) return moved;
  if ((flags & MSG_PEEK) != 0)
    return is_kind(op.d, descriptor_kind::tcp) ? peek_all(op, moved, wanted, again) : moved;
  op.moved = true;
  rest.skip(static_cast<size_t>(moved));
  while (!rest.empty() && !error_pending(op)) {
    iovec part[vector_rest::pieces];
    msghdr message{};
    message.msg_iov = part;
    message.msg_iovlen = rest.front(part);
    long more = attempt(op, [&] {
      return sys::call(SYS_recvmsg, op.fd, sys::word(&message), flags | MSG_DONTWAIT);
    });
    settle_read(op, more, bytes_of(part, message.msg_iovlen), flags);
    if (more <= 0) break;
    moved += more;
    rest.skip(static_cast<size_t>(more));
  }
  return moved;
}

long send_all(operation& op, long moved, size_t wanted, int flags, vector_rest rest) {
  if (wanted > most_bytes) wanted = most_bytes;
  if (moved < 0 || static_cast<size_t>(moved) >= wanted || is_kind(op.d, descriptor_kind::datagram))
    return moved;
  op.moved = true;
  rest.skip(static_cast<size_t>(moved));
  // An error that comes after some bytes went is the next call's, with its SIGPIPE.
  while (!error_pending(op)) {
    iovec part[vector_rest::pieces];
    msghdr message{};
    message.msg_iov = part;
    message.msg_iovlen = rest.front(part, wanted - static_cast<size_t>(moved));
    if (message.msg_iovlen == 0) break;
    long more = attempt(op, [&] {
      return sys::call(SYS_sendmsg, op.fd, sys::word(&message),
                       flags | MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    settle(op, more, bytes_of(part, message.msg_iovlen));
    if (more < 0) break;
    moved += more;
    rest.skip(static_cast<size_t>(more));
  }
  return moved;
}

long receive_bytes(operation& op, void* buffer, size_t size, int flags, sockaddr* from,
                   socklen_t* from_size) {
  auto again = [&]() -> long {
    if (too_little_yet(op, size, flags)) return -EAGAIN;
    long result = sys::call(SYS_recvfrom, op.fd, sys::word(buffer), static_cast<long>(size),
                            flags | MSG_DONTWAIT, sys::word(from), sys::word(from_size));
    return result == -EAGAIN ? end_or_again(op) : result;
  };
  long moved = attempt(op, again);
  settle_read(op, moved, size, flags);
  if ((flags & MSG_WAITALL) == 0) [[likely]]
    return moved;
  iovec whole{buffer, size};
  return wait_for_all(op, moved, size, flags, vector_rest(&whole, 1), again);
}

long send_bytes(operation& op, const void* buffer, size_t size, int flags, const sockaddr* to,
                socklen_t to_size) {
  long moved = attempt(op, [&] {
    long result = sys::call(SYS_sendto, op.fd, sys::word(buffer), static_cast<long>(size),
                            flags | MSG_DONTWAIT, sys::word(to), static_cast<long>(to_size));
    if (result != -EINPROGRESS) return result;
    // TCP Fast Open without a cookie: connecting has begun, the data waits for it.
    flags &= ~MSG_FASTOPEN;
    to = nullptr;
    to_size = 0;
    return static_cast<long>(-EAGAIN);
  });
  settle(op, moved, size);
  if (moved < 0 || static_cast<size_t>(moved) == size) [[likely]]
    return moved;
  iovec whole{const_cast<void*>(buffer), size};
  return send_all(op, moved, size, flags, vector_rest(&whole, 1));
}

long receive(int fd, void* buffer, size_t size, int flags, sockaddr* from, socklen_t* from_size) {
  start_call();
  descriptor* d = known(fd);
  if (receives_at_once(d, flags)) {
    auto call = [&] {
      return lasting_call(SYS_recvfrom, fd, sys::word(buffer), static_cast<long>(size), flags,
                          sys::word(from), sys::word(from_size));
    };
    return d != nullptr && is_socket(*d) ? note_receive(fd, *d, size, flags, call) : call();
  }
  operation op = reading(fd, *d);
  return receive_bytes(op, buffer, size, flags, from, from_size);
}

long send(int fd, const void* buffer, size_t size, int flags, const sockaddr* to,
          socklen_t to_size) {
  start_call();
  descriptor* d = known(fd);
  if (sends_at_once(d, flags))
    return lasting_call(SYS_sendto, fd, sys::word(buffer), static_cast<long>(size), flags,
                        sys::word(to), static_cast<long>(to_size));
  operation op = writing(fd, *d);
  return send_bytes(op, buffer, size, flags, to, to_size);
}

}  // namespace vervet::interpose::io
