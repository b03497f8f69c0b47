// Moving data: the socket calls, the read and write families, and the calls that stay in the
// kernel.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/io_descriptor.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

bool carries_control(const msghdr* message) {
  return message != nullptr && message->msg_control != nullptr;
}

// A thread that is not ours passes descriptors on: what is known of them changes all the same.
void note_passed(const msghdr* message) {
  if (!carries_control(message)) return;
  if (dormant()) return io::forget_births();
  runtime_scope scope;
  io::share_passed(message);
}

}  // namespace

// ---- sockets

EXPORT
ssize_t recv(int fd, void* buffer, size_t size, int flags) {
  if (!on_fiber()) return real().recv(fd, buffer, size, flags);
  runtime_scope scope;
  return result_of(io::receive(fd, buffer, size, flags, nullptr, nullptr));
}

EXPORT
ssize_t recvfrom(int fd, void* buffer, size_t size, int flags, struct sockaddr* from,
                 socklen_t* from_size) {
  if (!on_fiber()) return real().recvfrom(fd, buffer, size, flags, from, from_size);
  runtime_scope scope;
  return result_of(io::receive(fd, buffer, size, flags, from, from_size));
}

EXPORT
ssize_t recvmsg(int fd, struct msghdr* message, int flags) {
  if (!on_fiber()) return real().recvmsg(fd, message, flags);
  runtime_scope scope;
  return result_of(io::receive_message(fd, message, flags));
}

EXPORT
int recvmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags,
             struct timespec* timeout) {
  if (!on_fiber()) return real().recvmmsg(fd, messages, count, flags, timeout);
  runtime_scope scope;
  return static_cast<int>(result_of(io::receive_messages(fd, messages, count, flags, timeout)));
}

EXPORT
ssize_t send(int fd, const void* buffer, size_t size, int flags) {
  if (!on_fiber()) return real().send(fd, buffer, size, flags);
  runtime_scope scope;
  return result_of(io::send(fd, buffer, size, flags, nullptr, 0));
}

EXPORT
ssize_t sendto(int fd, const void* buffer, size_t size, int flags, const struct sockaddr* to,
               socklen_t to_size) {
  if (!on_fiber()) return real().sendto(fd, buffer, size, flags, to, to_size);
  runtime_scope scope;
  return result_of(io::send(fd, buffer, size, flags, to, to_size));
}

EXPORT
ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  if (!on_fiber()) {
    note_passed(message);
    return real().sendmsg(fd, message, flags);
  }
  runtime_scope scope;
  return result_of(io::send_message(fd, message, flags));
}

EXPORT
int sendmmsg(int fd, struct mmsghdr* messages, unsigned count, int flags) {
  if (!on_fiber()) {
    for (unsigned i = 0; messages != nullptr && i < count && i < 1024; ++i)
      note_passed(&messages[i].msg_hdr);
    return real().sendmmsg(fd, messages, count, flags);
  }
  runtime_scope scope;
  return static_cast<int>(result_of(io::send_messages(fd, messages, count, flags)));
}

// ---- any descriptor

EXPORT
ssize_t read(int fd, void* buffer, size_t size) {
  if (!on_fiber()) return real().read(fd, buffer, size);
  runtime_scope scope;
  return result_of(io::read(fd, buffer, size));
}

EXPORT
ssize_t write(int fd, const void* buffer, size_t size) {
  if (!on_fiber()) return real().write(fd, buffer, size);
  runtime_scope scope;
  return result_of(io::write(fd, buffer, size));
}

EXPORT
ssize_t readv(int fd, const struct iovec* vector, int count) {
  if (!on_fiber()) return real().readv(fd, vector, count);
  runtime_scope scope;
  return result_of(io::read_vector(fd, vector, count));
}

EXPORT
ssize_t writev(int fd, const struct iovec* vector, int count) {
  if (!on_fiber()) return real().writev(fd, vector, count);
  runtime_scope scope;
  return result_of(io::write_vector(fd, vector, count));
}

// At offset -1 they are readv and writev; elsewhere they are for files, which do not park.
EXPORT
ssize_t preadv2(int fd, const struct iovec* vector, int count, off_t offset, int flags) {
  if (!on_fiber() || offset != -1 || flags != 0)
    return real().preadv2(fd, vector, count, offset, flags);
  runtime_scope scope;
  return result_of(io::read_vector(fd, vector, count));
}

EXPORT
ssize_t pwritev2(int fd, const struct iovec* vector, int count, off_t offset, int flags) {
  if (!on_fiber() || offset != -1 || flags != 0)
    return real().pwritev2(fd, vector, count, offset, flags);
  runtime_scope scope;
  return result_of(io::write_vector(fd, vector, count));
}

EXPORT
int eventfd_read(int fd, eventfd_t* value) {
  if (!on_fiber()) return real().eventfd_read(fd, value);
  runtime_scope scope;
  return result_of(io::read(fd, value, sizeof *value)) == sizeof *value ? 0 : -1;
}

EXPORT
int eventfd_write(int fd, eventfd_t value) {
  if (!on_fiber()) return real().eventfd_write(fd, value);
  runtime_scope scope;
  return result_of(io::write(fd, &value, sizeof value)) == sizeof value ? 0 : -1;
}

// ---- inside the kernel

EXPORT
ssize_t sendfile(int out, int in, off_t* offset, size_t count) noexcept {
  if (!on_fiber()) return real().sendfile(out, in, offset, count);
  runtime_scope scope;
  return result_of(io::send_file(out, in, offset, count));
}

EXPORT
ssize_t splice(int in, off64_t* in_offset, int out, off64_t* out_offset, size_t size,
               unsigned flags) {
  if (!on_fiber()) return real().splice(in, in_offset, out, out_offset, size, flags);
  runtime_scope scope;
  return result_of(io::splice(in, in_offset, out, out_offset, size, flags));
}

EXPORT
ssize_t tee(int in, int out, size_t size, unsigned flags) {
  if (!on_fiber()) return real().tee(in, out, size, flags);
  runtime_scope scope;
  return result_of(io::tee(in, out, size, flags));
}
