// udp_socket.
#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <thread>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/udp.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::udp_socket;

TEST(Udp, RefusesWhatTheKernelRefuses) {
  udp_socket here(address::loopback(0));
  EXPECT_THROW(udp_socket other(here.local_address()), std::system_error);
  EXPECT_THROW(here.send_to(std::string(70'000, 'x'), here.local_address()), std::system_error);
  EXPECT_THROW(here.send("no peer"), std::system_error);
  udp_socket empty;
  char c;
  EXPECT_THROW(empty.receive({&c, 1}), std::system_error);
}

TEST(Udp, TellsWhoSentAMessage) {
  udp_socket server(address::loopback(0));
  udp_socket client(address::loopback(0));
  auto echo = vervet::spawn([&] {
    char part[100];
    auto [size, from] = server.receive_from(part);
    EXPECT_EQ(from, client.local_address());
    server.send_to({part, size}, from);
  });
  client.connect(server.local_address());
  client.send("ping");
  char part[2];
  EXPECT_EQ(client.receive(part, 1s), 4u) << "the true length of what was cut off";
  echo.get();
}

TEST(Udp, AnUnreachablePeerIsAnErrorOfTheNextCall) {
  udp_socket gone(address::loopback(0));
  address where = gone.local_address();
  gone.close();
  udp_socket client = udp_socket::unbound();
  client.connect(where);
  client.send("x");
  char c;
  try {
    client.receive({&c, 1}, 1s);
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::connection_refused);
  }
}

TEST(Udp, ReceivingTimesOutOrIsCutAndLosesNothing) {
  udp_socket here(address::loopback(0));
  char c;
  EXPECT_THROW(here.receive({&c, 1}, 1ms), vervet::timed_out);
  auto killed = vervet::spawn([&] {
    try {
      here.receive({&c, 1});
    } catch (const vervet::cut_short&) {
    }
  });
  vervet::yield();
  vervet_kill(killed.native_handle());
  udp_socket::unbound().send_to("m", here.local_address());
  killed.get();
  EXPECT_EQ(here.receive({&c, 1}, 1s), 1u);
}

TEST(Udp, CloseWakesAReceiver) {
  udp_socket here(address::loopback(0));
  auto receiver = vervet::spawn([&] {
    char c;
    EXPECT_THROW(here.receive({&c, 1}), std::system_error);
  });
  vervet::yield();
  here.close();
  receiver.get();
}

TEST(Udp, MessagesCrossThreadsAndWorkers) {
  udp_socket here(address::loopback(0));
  address where = here.local_address();
  std::thread sending([&] { udp_socket::unbound().send_to("thread", where); });
  char part[16];
  EXPECT_EQ(here.receive(part, 2s), 6u);
  sending.join();
  vervet::run({.workers = 2}, [&] {
    auto receiver = vervet::spawn([&] { return here.receive(part, 2s); });
    vervet::spawn([&] { udp_socket::unbound().send_to("run", where); }).get();
    EXPECT_EQ(receiver.get(), 3u);
  });
}

}  // namespace
