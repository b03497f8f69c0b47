// AF_UNIX: unix_socket, unix_listener, unix_datagram_socket, pairs of them.
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/socket.h>

#include <vervet/abi.h>
#include <vervet/address.hpp>
#include <vervet/socket.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// A full backlog, and the full queue of a receiver that one is not connected to, tell nobody when
// they have room again: the kernel is asked again, after 1 ms, 2 ms, up to 50 ms.
template <typename Attempt>
void ask_again(deadline until, const char* what, Attempt attempt) {
  using std::chrono::milliseconds;
  for (milliseconds pause(1);; pause = std::min(2 * pause, milliseconds(50))) {
    if (attempt() >= 0) return;
    if (errno == EINTR) continue;
    if (errno != EAGAIN) throw_errno(errno, what);
    if (until <= deadline(milliseconds(0))) throw timed_out(what);
    int error = vervet_sleep_until(std::min(until, deadline(pause)).monotonic());
    if (error != 0) throw_wait_error(error, what);
  }
}

inline void make_pair_of_sockets(int type, int (&ends)[2]) {
  if (::socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    throw_errno(errno, "vervet: socketpair");
}

}  // namespace detail

// A local stream connection: a stream_socket, see there.
class unix_socket : public stream_socket {
 public:
  unix_socket() noexcept = default;
  // Takes over a connected socket's number and makes it non-blocking.
  explicit unix_socket(int number) : stream_socket(given{number}) {}

  // connect() makes a connection to address::unix_path(…). Throws no_such_file_or_directory,
  // connection_refused; timed_out.
  static unix_socket connect(const address& peer, deadline until = {}) {
    unix_socket made(make(AF_UNIX, SOCK_STREAM));
    detail::ask_again(until, "vervet: connect",
                      [&] { return ::connect(made.native_handle(), peer.data(), peer.size()); });
    return made;
  }

  // Two ends of one connection. Throws std::system_error.
  static std::pair<unix_socket, unix_socket> pair() {
    int ends[2];
    detail::make_pair_of_sockets(SOCK_STREAM, ends);
    return {unix_socket(fresh{ends[0]}), unix_socket(fresh{ends[1]})};
  }

 private:
  friend class listener<unix_socket>;
  explicit unix_socket(fresh made) : stream_socket(made) {}
};

// A listening local socket. A path's file must not exist yet, and stays when the listener is
// closed: removing either is the program's decision.
class unix_listener : public listener<unix_socket> {
 public:
  unix_listener() noexcept = default;
  // Throws std::system_error: address_in_use. Never blocks.
  explicit unix_listener(const address& where, const listen_options& options = {})
      : listener(make(AF_UNIX, SOCK_STREAM)) {
    listen_with(where, options);
  }
  explicit unix_listener(int number) : listener(given{number}) {}
};

// A local socket for messages, in order and not lost; a datagram_socket, see there.
class unix_datagram_socket : public datagram_socket {
 public:
  // Without an address: for sending. Throws std::system_error.
  unix_datagram_socket() : datagram_socket(make(AF_UNIX, SOCK_DGRAM)) {}
  explicit unix_datagram_socket(const address& where) : unix_datagram_socket() { bind_to(where); }
  explicit unix_datagram_socket(int number) : datagram_socket(given{number}) {}

  // As datagram_socket::send_to(), to any address; waits while the receiver's queue is full.
  void send_to(const_buffer message, const address& peer, deadline until = {}) {
    detail::ask_again(until, "vervet: send", [&] {
      return ::sendto(native_handle(), message.data(), message.size(), MSG_NOSIGNAL, peer.data(),
                      peer.size());
    });
  }

  // Two that are connected to each other.
  static std::pair<unix_datagram_socket, unix_datagram_socket> pair() {
    int ends[2];
    detail::make_pair_of_sockets(SOCK_DGRAM, ends);
    return {unix_datagram_socket(fresh{ends[0]}), unix_datagram_socket(fresh{ends[1]})};
  }

 private:
  explicit unix_datagram_socket(fresh made) : datagram_socket(made) {}
};

}  // namespace vervet
