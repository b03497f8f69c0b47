// TCP over IPv4 and IPv6: tcp_socket, tcp_listener.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <vervet/address.hpp>
#include <vervet/socket.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A TCP connection: a stream_socket, see there for what waits and what throws. Small writes leave
// at once (TCP_NODELAY, as asyncio and Go have it, gevent not): buffer them with a stream.
class tcp_socket : public stream_socket {
 public:
  tcp_socket() noexcept = default;
  // Takes over a connected socket's number and makes it non-blocking. Throws std::system_error;
  // then the number is the caller's still.
  explicit tcp_socket(int number) : stream_socket(given{number}) {}

  // connect() makes a connection to an address (dns::resolve() and open_connection() know names).
  // Throws what the kernel says: connection_refused, host_unreachable; timed_out after `until`, or
  // std::system_error timed_out when the kernel has given up.
  static tcp_socket connect(const address& peer, deadline until = {}) {
    tcp_socket made(make(peer.family(), SOCK_STREAM, IPPROTO_TCP));
    made.set_option(IPPROTO_TCP, TCP_NODELAY, 1);
    made.connect_to(peer, until);
    return made;
  }

 private:
  friend class listener<tcp_socket>;
  explicit tcp_socket(fresh made) : stream_socket(made) {}
};

// A listening TCP socket:
//
//     tcp_listener listener(address::any(8080));
//     tcp_socket client = listener.accept(5s);
class tcp_listener : public listener<tcp_socket> {
 public:
  tcp_listener() noexcept = default;

  // Binds with SO_REUSEADDR, so that a restarted server gets its port at once, and listens. Port 0:
  // local_address() tells which the kernel chose. Throws std::system_error: address_in_use,
  // permission_denied. Never blocks.
  explicit tcp_listener(const address& where, const listen_options& options = {})
      : listener(make(where.family(), SOCK_STREAM, IPPROTO_TCP)) {
    set_option(SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) set_option(SOL_SOCKET, SO_REUSEPORT, 1);
    if (where.family() == AF_INET6)
      set_option(IPPROTO_IPV6, IPV6_V6ONLY, static_cast<int>(options.only_v6));
    set_option(IPPROTO_TCP, TCP_NODELAY, 1);  // accepted sockets inherit it
    listen_with(where, options);
  }

  // Takes over a listening socket's number (systemd's, a parent's) and makes it non-blocking.
  explicit tcp_listener(int number) : listener(given{number}) {}
};

}  // namespace vervet
