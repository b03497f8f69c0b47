// address.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include <vervet/address.hpp>

namespace {

using vervet::address;

TEST(Address, RefusesNamesAndWhatIsTooLong) {
  EXPECT_THROW(address("localhost", 80), std::invalid_argument);
  EXPECT_THROW(address("", 80), std::invalid_argument);
  EXPECT_THROW(address("127.0.0.1%1", 80), std::invalid_argument);
  EXPECT_THROW(address("fe80::1%eth0", 80), std::invalid_argument);
  EXPECT_THROW(address("fe80::1%", 80), std::invalid_argument);
  EXPECT_THROW(address("fe80::1%4294967297", 80), std::invalid_argument);
  EXPECT_THROW(address::unix_path(""), std::invalid_argument);
  EXPECT_THROW(address::unix_path(std::string(108, 'x')), std::invalid_argument);
}

TEST(Address, TellsHostPortAndText) {
  EXPECT_EQ(address("127.0.0.1", 80).to_string(), "127.0.0.1:80");
  EXPECT_EQ(address("::1", 443).to_string(), "[::1]:443");
  EXPECT_EQ(address("fe80::1%2", 1).host(), "fe80::1%2");
  EXPECT_EQ(address::any(7).port(), 7);
  EXPECT_EQ(address("::1", 7).with_port(8).port(), 8);
  EXPECT_EQ(address::unix_path("/tmp/a").to_string(), "/tmp/a");
  EXPECT_EQ(address::unix_path(std::string_view("\0name", 5)).to_string(), "@name");
  EXPECT_EQ(address().host(), "");
  EXPECT_EQ(address().family(), AF_UNSPEC);
}

TEST(Address, ComparesByValue) {
  EXPECT_EQ(address("127.0.0.1", 80), address::loopback(80));
  EXPECT_FALSE(address::loopback(80) == address::loopback(81));
  EXPECT_EQ(address::loopback(80),
            address(address::loopback(80).data(), address::loopback(80).size()));
}

}  // namespace
