// Sockets: making them, connecting them, their options.
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/io_descriptor.h"
#include "interpose/real.h"

namespace vervet::interpose {
namespace {

// The timeouts have two spellings each, of the same shape where time_t has 64 bits.
constexpr int receive_timeout_names[] = {20, 66};
constexpr int send_timeout_names[] = {21, 67};

bool names(const int (&spellings)[2], int option) {
  return option == spellings[0] || option == spellings[1];
}

// What the kernel has accepted.
void note_option(int fd, int level, int option, const void* value, socklen_t size) {
  descriptor* d = descriptor_of(fd);
  if (d == nullptr || !io::is_socket(*d)) return;
  if (level == IPPROTO_TCP && option == TCP_ULP)
    // Kernel TLS: a read ends where a record does, so a short one proves nothing.
    d->kind.store(descriptor_kind::stream, std::memory_order_relaxed);
  if (level != SOL_SOCKET) return;
  if (option == SO_RCVLOWAT && size >= sizeof(int))
    io::note_low_water(*d, *static_cast<const int*>(value));
  if (option == SO_LINGER && size >= sizeof(linger))
    io::note_linger(*d, *static_cast<const linger*>(value));
  if (size < sizeof(timeval)) return;
  bool receive = names(receive_timeout_names, option);
  if (!receive && !names(send_timeout_names, option)) return;
  int64_t timeout = io::timeout_of(*static_cast<const timeval*>(value));
  (receive ? d->receive_timeout : d->send_timeout).store(timeout, std::memory_order_relaxed);
}

// A thread that is no fiber, on a listener that may have an O_NONBLOCK of ours, for fibers'
// sake.
int accept_natively(int fd, sockaddr* from, socklen_t* from_size, int flags) {
  descriptor* d = descriptor_of(fd);
  for (;;) {
    int accepted = real().accept4(fd, from, from_size, flags);
    bool ours = d != nullptr && d->hidden_nonblock.load(std::memory_order_relaxed);
    if (accepted >= 0 || errno != EAGAIN || !ours) return accepted;
    int64_t timeout = d->receive_timeout.load(std::memory_order_relaxed);
    pollfd listener{fd, POLLIN, 0};
    int ready = real().poll(&listener, 1, timeout == 0 ? -1 : static_cast<int>(timeout / 1'000'000));
    if (ready == 0) errno = EAGAIN;
    if (ready <= 0) return -1;
  }
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet;
using namespace vervet::interpose;

EXPORT
int socket(int domain, int type, int protocol) noexcept {
  int fd = real().socket(domain, type, protocol);
  if (fd < 0) return fd;
  descriptor_kind kind = io::socket_kind(domain, type, protocol);
  if (!dormant()) {
    runtime_scope scope;
    io::adopt(fd, kind, (type & SOCK_NONBLOCK) != 0);
  } else if (kind != descriptor_kind::datagram) {
    io::note_birth(fd);
  }
  return fd;
}

EXPORT
int socketpair(int domain, int type, int protocol, int fds[2]) noexcept {
  int result = real().socketpair(domain, type, protocol, fds);
  if (result != 0 || dormant()) return result;
  runtime_scope scope;
  for (int i = 0; i < 2; ++i)
    io::adopt(fds[i], io::socket_kind(domain, type, protocol), (type & SOCK_NONBLOCK) != 0);
  return result;
}

EXPORT
int connect(int fd, const struct sockaddr* to, socklen_t to_size) {
  if (!on_fiber()) return real().connect(fd, to, to_size);
  runtime_scope scope;
  return static_cast<int>(result_of(io::connect(fd, to, to_size)));
}

EXPORT
int listen(int fd, int backlog) noexcept {
  int result = real().listen(fd, backlog);
  if (result != 0 || dormant()) return result;
  descriptor* d = descriptor_of(fd);
  // One that is not known yet is asked for it at its first use.
  if (d != nullptr && io::is_socket(*d)) d->listening.store(true, std::memory_order_relaxed);
  return result;
}

EXPORT
int accept(int fd, struct sockaddr* from, socklen_t* from_size) {
  if (dormant()) return real().accept(fd, from, from_size);
  return accept4(fd, from, from_size, 0);
}

EXPORT
int accept4(int fd, struct sockaddr* from, socklen_t* from_size, int flags) {
  if (on_fiber()) {
    runtime_scope scope;
    return static_cast<int>(result_of(io::accept(fd, from, from_size, flags)));
  }
  if (dormant()) return real().accept4(fd, from, from_size, flags);
  int accepted = accept_natively(fd, from, from_size, flags);
  if (accepted < 0) return accepted;
  runtime_scope scope;
  io::adopt_unknown(accepted);
  return accepted;
}

EXPORT
int setsockopt(int fd, int level, int option, const void* value, socklen_t size) noexcept {
  int result = real().setsockopt(fd, level, option, value, size);
  if (result == 0 && !dormant()) note_option(fd, level, option, value, size);
  return result;
}
