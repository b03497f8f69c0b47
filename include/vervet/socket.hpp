// What all sockets have in common: socket, and its kinds stream_socket, datagram_socket, listener.
// tcp.hpp, unix.hpp and udp.hpp make them.
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <utility>

#include <sys/socket.h>
#include <sys/types.h>

#include <vervet/address.hpp>
#include <vervet/buffer.hpp>
#include <vervet/detail/descriptor.hpp>
#include <vervet/detail/system_call.hpp>
#include <vervet/time.hpp>

namespace vervet {

// Which directions of a connection end.
enum class shutdown_mode { receive = SHUT_RD, send = SHUT_WR, both = SHUT_RDWR };

// A socket owns a non-blocking socket of the kernel's, closed by the destructor. Movable, not
// copyable.
//
// Calls that wait park the calling fiber, or the OS thread if it hosts none, until `until`. They
// throw timed_out, cut_short (the socket stays as it was), and std::system_error with the kernel's
// error; bad_file_descriptor if it is closed, also to those who wait then. Any number of fibers of
// any threads may use one socket at a time; each event wakes the one that has waited longest
// (gevent and asyncio refuse a second reader). No call raises SIGPIPE.
class socket : public detail::descriptor {
 public:
  socket() noexcept = default;

  // Both throw std::system_error. peer_address() of one without a peer: not_connected.
  address local_address() const { return name(::getsockname, "vervet: local address"); }
  address peer_address() const { return name(::getpeername, "vervet: peer address"); }

  // Ends one direction or both: the peer reads the end of the stream; waiters of ours wake, and
  // read it too. Never blocks. From any thread at any time, unlike close(). Throws
  // std::system_error: not_connected.
  void shutdown(shutdown_mode mode = shutdown_mode::both) {
    if (::shutdown(native_handle(), static_cast<int>(mode)) != 0)
      detail::throw_errno(errno, "vervet: shutdown");
  }

  // As shutdown(send); what a stream asks of its transport. Does not wait.
  void shutdown_send(deadline = {}) { shutdown(shutdown_mode::send); }

  // setsockopt(): set_option(IPPROTO_TCP, TCP_NODELAY, 1). Throws std::system_error.
  template <typename Value>
  void set_option(int level, int option, const Value& value) {
    if (::setsockopt(native_handle(), level, option, &value, sizeof value) != 0)
      detail::throw_errno(errno, "vervet: set_option");
  }

 protected:
  // A new socket of the kernel's. Throws std::system_error.
  static fresh make(int family, int type, int protocol = 0) {
    int number = ::socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (number < 0) detail::throw_errno(errno, "vervet: socket");
    return {number};
  }
  explicit socket(fresh made) : descriptor(made) {}
  explicit socket(given number) : descriptor(number) {}

  void bind_to(const address& where) {
    if (::bind(native_handle(), where.data(), where.size()) != 0)
      detail::throw_errno(errno, "vervet: bind");
  }

  void connect_to(const address& peer, deadline until) {
    io(VERVET_WRITABLE, 0, until, "vervet: connect", [&]() -> ssize_t {
      // Asked again, the kernel tells how the first attempt went.
      if (::connect(native_handle(), peer.data(), peer.size()) == 0 || errno == EISCONN) return 0;
      if (errno == EINPROGRESS || errno == EALREADY) errno = EAGAIN;
      return -1;
    });
  }

 private:
  template <typename Get>
  address name(Get get, const char* what) const {
    sockaddr_storage raw{};
    socklen_t size = sizeof raw;
    if (get(native_handle(), reinterpret_cast<sockaddr*>(&raw), &size) != 0)
      detail::throw_errno(errno, what);
    return {reinterpret_cast<sockaddr*>(&raw), size};
  }
};

// A connected socket that moves bytes without borders: a byte_stream.
class stream_socket : public socket {
 public:
  stream_socket() noexcept = default;

  // read_some() waits until there is something and takes what there is: one system call where data
  // has arrived. 0 when the peer has ended its side, or if `to` is empty.
  std::size_t read_some(buffer to, deadline until = {}) {
    if (to.size() == 0) return 0;
    return io(VERVET_READABLE, to.size(), until, "vervet: receive",
              [=, this] { return detail::receive(native_handle(), to.data(), to.size(), 0); });
  }

  // write_some() waits until the kernel takes something, and returns how many bytes it took.
  // broken_pipe or connection_reset once the peer has gone.
  std::size_t write_some(const_buffer from, deadline until = {}) {
    return io(VERVET_WRITABLE, from.size(), until, "vervet: send", [=, this] {
      return detail::send(native_handle(), from.data(), from.size(), MSG_NOSIGNAL);
    });
  }

  // write_all() returns when the kernel has taken everything. If it throws, an unknown part is on
  // its way. The parts of two fibers' calls may mix.
  void write_all(const_buffer from, deadline until = {}) { detail::write_each(*this, from, until); }

 protected:
  using socket::socket;
};

// A socket that moves messages, each at once or not at all.
class datagram_socket : public socket {
 public:
  datagram_socket() noexcept = default;

  // One message and who sent it. What is longer than `to` loses its end: `size` is its true length.
  struct received {
    std::size_t size;  // in bytes
    address from;      // empty if the sender has no name
  };
  received receive_from(buffer to, deadline until = {}) {
    sockaddr_storage raw{};
    socklen_t length = 0;
    std::size_t size = io(VERVET_READABLE, 0, until, "vervet: receive", [&] {
      length = sizeof raw;
      return ::recvfrom(native_handle(), to.data(), to.size(), MSG_TRUNC,
                        reinterpret_cast<sockaddr*>(&raw), &length);
    });
    return {size, address(reinterpret_cast<sockaddr*>(&raw), length)};
  }
  std::size_t receive(buffer to, deadline until = {}) {
    return io(VERVET_READABLE, 0, until, "vervet: receive", [=, this] {
      return detail::receive(native_handle(), to.data(), to.size(), MSG_TRUNC);
    });
  }

  // Waits for room in the kernel's buffer. message_size if it is too long; connection_refused may
  // tell of an earlier message.
  void send_to(const_buffer message, const address& peer, deadline until = {}) {
    io(VERVET_WRITABLE, 0, until, "vervet: send", [&] {
      return ::sendto(native_handle(), message.data(), message.size(), MSG_NOSIGNAL, peer.data(),
                      peer.size());
    });
  }
  // REQUIRES: connected.
  void send(const_buffer message, deadline until = {}) {
    io(VERVET_WRITABLE, 0, until, "vervet: send", [=, this] {
      return detail::send(native_handle(), message.data(), message.size(), MSG_NOSIGNAL);
    });
  }

  // Sets the one peer of send() and receive(). Does not wait.
  void connect(const address& peer) { connect_to(peer, {}); }

 protected:
  using socket::socket;
};

// How to listen.
struct listen_options {
  int backlog = SOMAXCONN;  // connections that the kernel keeps until accept()
  bool reuse_port = false;  // SO_REUSEPORT: several listeners share the connections
  bool only_v6 = false;     // "::" without IPv4
};

namespace detail {

// What accept() reports of a connection that came and went, or of the network: not the listener's
// fault (accept(2)).
inline bool concerns_one_connection(int error) noexcept {
  switch (error) {
    case ECONNABORTED:
    case EPROTO:
    case ENETDOWN:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH: return true;
    default: return false;
  }
}

}  // namespace detail

// A socket that accepts connections as `Socket`s.
template <typename Socket>
class listener : public socket {
 public:
  using socket_type = Socket;

  listener() noexcept = default;

  // accept() waits for a connection. Connections that have gone meanwhile are passed over. Throws
  // std::system_error as well if the process has too many files open, or memory is short.
  Socket accept(deadline until = {}) { return Socket(fresh{accept_number(nullptr, until)}); }

  // The same, and tells who it is, which saves asking.
  Socket accept(address& peer, deadline until = {}) {
    return Socket(fresh{accept_number(&peer, until)});
  }

 protected:
  using socket::socket;

  void listen_with(const address& where, const listen_options& options) {
    bind_to(where);
    if (::listen(native_handle(), options.backlog) != 0)
      detail::throw_errno(errno, "vervet: listen");
  }

 private:
  bool listens() const noexcept {
    int yes = 0;
    socklen_t size = sizeof yes;
    return ::getsockopt(native_handle(), SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
  }

  int accept_number(address* peer, deadline until) {
    sockaddr_storage raw{};
    socklen_t size = 0;
    std::size_t number = io(VERVET_READABLE, 0, until, "vervet: accept", [&]() -> ssize_t {
      for (;;) {
        size = sizeof raw;
        int made = ::accept4(native_handle(), reinterpret_cast<sockaddr*>(&raw), &size,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (made >= 0 || !detail::concerns_one_connection(errno)) return made;
        // The same error says that it is no such socket.
        if (errno == EOPNOTSUPP && !listens()) return errno = EOPNOTSUPP, -1;
      }
    });
    if (peer != nullptr) *peer = address(reinterpret_cast<sockaddr*>(&raw), size);
    return static_cast<int>(number);
  }
};

}  // namespace vervet
