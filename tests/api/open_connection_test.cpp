// connect_tcp, open_connection.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <system_error>

#include <vervet/fiber.hpp>
#include <vervet/open_connection.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::tcp_listener;

TEST(OpenConnection, ThrowsWhatTheLastAddressThrew) {
  std::uint16_t port = tcp_listener(address::loopback(0)).local_address().port();
  try {
    vervet::open_connection("localhost", port, 5s);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::connection_refused);
  }
}

// "localhost" may be ::1 first, where nobody listens.
TEST(OpenConnection, TriesTheNextAddress) {
  tcp_listener listener(address::loopback(0));
  auto server = vervet::spawn([&] { listener.accept().write_all("hello\n"); });
  auto peer = vervet::open_connection("localhost", listener.local_address().port());
  EXPECT_EQ(peer.read_line(1s), "hello\n");
  server.get();
}

TEST(OpenConnection, SharesItsTimeBetweenTheAddresses) {
  vervet::deadline all = 10s;
  EXPECT_LT(vervet::detail::share_of(all, 2), vervet::deadline(6s));
  EXPECT_GT(vervet::detail::share_of(all, 100), vervet::deadline(1s));
  EXPECT_EQ(vervet::detail::share_of(1s, 3).monotonic() / 1'000'000'000,
            vervet::deadline(1s).monotonic() / 1'000'000'000);
}

}  // namespace
