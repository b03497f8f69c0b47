// read, write and their vector forms, on whatever the descriptor is.
//
// Sockets go the sockets' way. Pipes, eventfds and timerfds take RWF_NOWAIT. What does not (FIFOs,
// terminals, inotify…) is asked by poll first; there a second reader may get in between, and then
// the carrier waits.
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "interpose/io.h"
#include "interpose/io_stream.h"

namespace vervet::interpose::io {
namespace {

// The kernel refuses longer ones, with an error of its own.
constexpr int most_pieces = 1024;
constexpr size_t most_bytes = 0x7ffff000;

long plain(const operation& op, const iovec* vector, size_t count) {
  return sys::call(op.reads() ? SYS_readv : SYS_writev, op.fd, sys::word(vector),
                   static_cast<long>(count));
}

// The same where it may wait for something after all.
long plain_lasting(const operation& op, const iovec* vector, size_t count) {
  return lasting_call(op.reads() ? SYS_readv : SYS_writev, op.fd, sys::word(vector),
                      static_cast<long>(count));
}

long no_wait(const operation& op, const iovec* vector, size_t count) {
  constexpr long where_it_stands = -1;
  return sys::call(op.reads() ? SYS_preadv2 : SYS_pwritev2, op.fd, sys::word(vector),
                   static_cast<long>(count), where_it_stands, 0, RWF_NOWAIT);
}

long when_possible(operation& op, const iovec* vector, size_t count) {
  long result = attempt(op, [&]() -> long {
    if (looks_possible(op)) {
      // A handler that runs there may jump out.
      leave_rest(op);
      return plain_lasting(op, vector, count);
    }
    // A descriptor that can never do it says so, where waiting would be for ever.
    long refusal = no_wait(op, vector, count);
    return refusal == -EOPNOTSUPP ? -EAGAIN : refusal;
  });
  leave_rest(op);
  return result;
}

// Pipes and FIFOs on kernels that do not give them RWF_NOWAIT.
long move_through_fifo(operation& op, const iovec* vector, size_t count) {
  long result = attempt(op, [&]() -> long {
    long moved = 0;
    if (with_nonblock(op.fd, op.d, moved, [&] { return plain(op, vector, count); })) return moved;
    return looks_possible(op) ? plain_lasting(op, vector, count) : -EAGAIN;
  });
  leave_rest(op);
  return result;
}

long move(operation& op, const iovec* vector, size_t count) {
  long result = attempt(op, [&] { return no_wait(op, vector, count); });
  leave_rest(op);
  if (result != -EOPNOTSUPP) return result;
  return is_kind(op.d, descriptor_kind::pipe) ? move_through_fifo(op, vector, count)
                                              : when_possible(op, vector, count);
}

// A blocking write to a pipe takes all; up to PIPE_BUF in one piece, so that is never split.
long write_to_pipe(operation& op, const iovec* vector, size_t count) {
  long moved = attempt(op, [&] { return no_wait(op, vector, count); });
  leave_rest(op);
  bool fifo = moved == -EOPNOTSUPP;
  if (moved < 0 && !fifo) return moved;
  size_t wanted = bytes_of(vector, count);
  if (fifo && wanted <= PIPE_BUF) return move_through_fifo(op, vector, count);
  if (fifo) moved = 0;
  if (wanted > most_bytes) wanted = most_bytes;
  vector_rest rest(vector, count);
  rest.skip(static_cast<size_t>(moved));
  // Of a pipe that looks writable only so much is sure not to wait.
  size_t portion = fifo && op.d.shared.load(std::memory_order_relaxed) ? PIPE_BUF : wanted;
  while (static_cast<size_t>(moved) < wanted) {
    size_t left = wanted - static_cast<size_t>(moved);
    iovec part[vector_rest::pieces];
    size_t pieces = rest.front(part, left < portion ? left : portion);
    op.moved = moved > 0;
    long more = fifo ? move_through_fifo(op, part, pieces) : move(op, part, pieces);
    if (more < 0) return moved > 0 ? moved : more;
    moved += more;
    rest.skip(static_cast<size_t>(more));
  }
  return moved;
}

// Outside canonical mode a terminal may end a read without input, at once or after a while.
long read_terminal(operation& op, const iovec* vector, size_t count) {
  termios settings{};
  constexpr int64_t tenth = 100'000'000;
  bool ends_empty = sys::call(SYS_ioctl, op.fd, TCGETS, sys::word(&settings)) == 0 &&
                    (settings.c_lflag & ICANON) == 0 && settings.c_cc[VMIN] == 0;
  if (!ends_empty) return when_possible(op, vector, count);
  if (settings.c_cc[VTIME] == 0) return plain(op, vector, count);
  op.timeout = settings.c_cc[VTIME] * tenth;
  long result = when_possible(op, vector, count);
  bool expired = result == -EAGAIN && !kernel_nonblocking(op.fd);
  return expired ? 0 : result;
}

bool waits(const descriptor* d) {
  return !counted(d == nullptr || never_waits(*d) || is_kind(*d, descriptor_kind::never_parks) ||
                  is_kind(*d, descriptor_kind::epoll));
}

long read_other(operation& op, const iovec* vector, size_t count) {
  switch (op.d.kind.load(std::memory_order_relaxed)) {
    case descriptor_kind::pipe:
    case descriptor_kind::counter: return move(op, vector, count);
    case descriptor_kind::terminal: return read_terminal(op, vector, count);
    default: return when_possible(op, vector, count);
  }
}

long write_other(operation& op, const iovec* vector, size_t count) {
  if (is_kind(op.d, descriptor_kind::pipe)) return write_to_pipe(op, vector, count);
  return when_possible(op, vector, count);
}

// The number is not what we took it for: libc closed and opened behind our back.
void correct(int fd) { retire_descriptor(fd); }

}  // namespace

long read(int fd, void* buffer, size_t size) {
  start_call();
  descriptor* d = known(fd);
  // Reading nothing is answered at once, also by an empty socket.
  if (!waits(d) || size == 0) {
    auto call = [&] {
      return lasting_call(SYS_read, fd, sys::word(buffer), static_cast<long>(size));
    };
    bool notes = d != nullptr && is_socket(*d) && size != 0;
    return notes ? note_receive(fd, *d, size, 0, call) : call();
  }
  if (is_socket(*d)) [[likely]] {
    operation op = reading(fd, *d);
    long moved = receive_bytes(op, buffer, size, 0, nullptr, nullptr);
    if (moved != -ENOTSOCK) [[likely]]
      return moved;
    correct(fd);
    return read(fd, buffer, size);
  }
  operation op = reading(fd, *d);
  op.timeout = 0;
  iovec whole{buffer, size};
  return read_other(op, &whole, 1);
}

long write(int fd, const void* buffer, size_t size) {
  start_call();
  descriptor* d = known(fd);
  if (!waits(d)) return lasting_call(SYS_write, fd, sys::word(buffer), static_cast<long>(size));
  if (is_socket(*d)) [[likely]] {
    operation op = writing(fd, *d);
    long moved = send_bytes(op, buffer, size, 0, nullptr, 0);
    if (moved != -ENOTSOCK) [[likely]]
      return moved;
    correct(fd);
    return write(fd, buffer, size);
  }
  if (size == 0) return sys::write(fd, buffer, size);
  operation op = writing(fd, *d);
  iovec whole{const_cast<void*>(buffer), size};
  return write_other(op, &whole, 1);
}

long read_vector(int fd, const iovec* vector, int count) {
  start_call();
  descriptor* d = known(fd);
  bool plainly = !waits(d) || vector == nullptr || count <= 0 || count > most_pieces;
  size_t pieces = static_cast<size_t>(count);
  if (plainly || bytes_of(vector, pieces) == 0)
    return lasting_call(SYS_readv, fd, sys::word(vector), count);
  operation op = reading(fd, *d);
  if (!is_socket(*d)) return read_other(op, vector, pieces);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(vector);
  message.msg_iovlen = pieces;
  long moved = receive_one(op, &message, 0);
  if (moved != -ENOTSOCK) [[likely]]
    return moved;
  correct(fd);
  return read_vector(fd, vector, count);
}

long write_vector(int fd, const iovec* vector, int count) {
  start_call();
  descriptor* d = known(fd);
  bool plainly = !waits(d) || vector == nullptr || count <= 0 || count > most_pieces;
  if (plainly) return lasting_call(SYS_writev, fd, sys::word(vector), count);
  size_t pieces = static_cast<size_t>(count);
  operation op = writing(fd, *d);
  if (!is_socket(*d)) return write_other(op, vector, pieces);
  msghdr message{};
  message.msg_iov = const_cast<iovec*>(vector);
  message.msg_iovlen = pieces;
  long moved = send_one(op, &message, 0);
  if (moved != -ENOTSOCK) [[likely]]
    return moved;
  correct(fd);
  return write_vector(fd, vector, count);
}

}  // namespace vervet::interpose::io
