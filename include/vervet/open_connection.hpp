// Connecting by name: connect_tcp, open_connection.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <vervet/address.hpp>
#include <vervet/dns.hpp>
#include <vervet/stream.hpp>
#include <vervet/tcp.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// A fair share of what is left for each of `count` attempts, but two seconds at least.
inline deadline share_of(deadline until, std::size_t count) {
  std::chrono::nanoseconds left(until.monotonic() - vervet_after(0));
  std::chrono::nanoseconds share = left / static_cast<std::int64_t>(count);
  return std::min(until,
                  deadline(std::max<std::chrono::nanoseconds>(share, std::chrono::seconds(2))));
}

}  // namespace detail

// connect_tcp() resolves the name and connects to the first of its addresses that answers, one
// after the other. Throws what dns::resolve() throws; else what the last one threw.
// Blocks the calling fiber, or the OS thread.
inline tcp_socket connect_tcp(const std::string& host, std::uint16_t port, deadline until = {}) {
  std::vector<address> addresses = dns::resolve(host, port, {}, until);
  for (std::size_t i = 0;; ++i) {
    try {
      return tcp_socket::connect(addresses[i], detail::share_of(until, addresses.size() - i));
    } catch (const std::system_error&) {
      if (i + 1 == addresses.size()) throw;
    }
  }
}

// The same, as a stream (asyncio's open_connection).
inline stream<tcp_socket> open_connection(const std::string& host, std::uint16_t port,
                                          deadline until = {}) {
  return stream<tcp_socket>(connect_tcp(host, port, until));
}

}  // namespace vervet
