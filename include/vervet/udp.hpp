// UDP over IPv4 and IPv6: udp_socket.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <vervet/address.hpp>
#include <vervet/socket.hpp>

namespace vervet {

// A UDP socket: a datagram_socket, see there for what waits and what throws.
//
//     udp_socket here(address::any(5353));
//     auto [size, from] = here.receive_from(message, 1s);
class udp_socket : public datagram_socket {
 public:
  udp_socket() noexcept = default;

  // Unbound: the kernel chooses a port at the first send. Throws std::system_error.
  static udp_socket unbound(int family = AF_INET) {
    return udp_socket(make(family, SOCK_DGRAM, IPPROTO_UDP));
  }
  // Bound; port 0: the kernel chooses, local_address() tells. Throws std::system_error:
  // address_in_use. Without SO_REUSEADDR, with which two programs would share one port unawares.
  explicit udp_socket(const address& where) : udp_socket(make(where.family(), SOCK_DGRAM)) {
    bind_to(where);
  }
  explicit udp_socket(int number) : datagram_socket(given{number}) {}

 private:
  explicit udp_socket(fresh made) : datagram_socket(made) {}
};

}  // namespace vervet
