// unix_socket, unix_listener, unix_datagram_socket.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

#include <unistd.h>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/unix.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::unix_datagram_socket;
using vervet::unix_listener;
using vervet::unix_socket;

// A name in the abstract space that no other process has.
address own_name(std::string_view tail) {
  return address::unix_path(std::string(1, '\0') + "vervet-" + std::to_string(getpid()) +
                            std::string(tail));
}

TEST(Unix, RefusesWhatTheKernelRefuses) {
  EXPECT_THROW(unix_socket::connect(address::unix_path("/nonexistent/s")), std::system_error);
  EXPECT_THROW(unix_listener(address::unix_path("/nonexistent/s")), std::system_error);
  unix_listener listener(own_name("a"));
  EXPECT_THROW(unix_listener(own_name("a")), std::system_error);
}

TEST(Unix, ConnectsByNameAndTellsWhere) {
  unix_listener listener(own_name("b"));
  unix_socket client = unix_socket::connect(listener.local_address());
  unix_socket server = listener.accept();
  EXPECT_EQ(client.peer_address(), own_name("b"));
  client.write_all("hello");
  char part[10];
  EXPECT_EQ(server.read_some(part), 5u);
}

TEST(Unix, PairsAreConnected) {
  auto [a, b] = unix_socket::pair();
  auto reader = vervet::spawn([&a = a] {
    char c = 0;
    a.read_some({&c, 1});
    return c;
  });
  vervet::yield();
  b.write_all("x");
  EXPECT_EQ(reader.get(), 'x');
  b.close();
  char c;
  EXPECT_EQ(a.read_some({&c, 1}), 0u);
}

TEST(Unix, ConnectWaitsForRoomInTheBacklog) {
  unix_listener listener(own_name("c"), {.backlog = 1});
  std::vector<unix_socket> waiting;
  EXPECT_THROW(while (true) waiting.push_back(unix_socket::connect(listener.local_address(), 5ms)),
               vervet::timed_out);
  auto late = vervet::spawn([&] { return unix_socket::connect(listener.local_address(), 1s); });
  vervet::yield();
  EXPECT_FALSE(late.has_ended());
  listener.accept();
  EXPECT_TRUE(late.get());
}

TEST(Unix, DatagramsKeepTheirBorders) {
  auto [a, b] = unix_datagram_socket::pair();
  b.send("one");
  b.send("");
  b.send("three");
  char part[3];
  EXPECT_EQ(a.receive(part), 3u);
  EXPECT_EQ(a.receive(part), 0u);
  EXPECT_EQ(a.receive(part), 5u) << "the true length of what was cut off";
  EXPECT_THROW(a.receive(part, 1ms), vervet::timed_out);
}

TEST(Unix, SendingWaitsForASlowReceiver) {
  unix_datagram_socket receiver(own_name("d"));
  constexpr int count = 1000;
  auto unconnected = vervet::spawn([] {
    unix_datagram_socket s;
    for (int i = 0; i < count; ++i) s.send_to("x", own_name("d"));
  });
  auto connected = vervet::spawn([] {
    unix_datagram_socket s;
    s.connect(own_name("d"));
    for (int i = 0; i < count; ++i) s.send("y");
  });
  vervet::sleep_for(2ms);
  char c;
  for (int i = 0; i < 2 * count; ++i) EXPECT_EQ(receiver.receive({&c, 1}, 5s), 1u);
  unconnected.get();
  connected.get();
}

TEST(Unix, AKilledReceiverLosesNothing) {
  auto [a, b] = unix_datagram_socket::pair();
  auto killed = vervet::spawn([&a = a] {
    char c;
    try {
      a.receive({&c, 1});
    } catch (const vervet::cut_short&) {
    }
  });
  vervet::yield();
  vervet_kill(killed.native_handle());
  b.send("m");
  killed.get();
  char c = 0;
  EXPECT_EQ(a.receive({&c, 1}), 1u);
}

TEST(Unix, MovesDataBetweenThreads) {
  auto [a, b] = unix_socket::pair();
  std::thread writer([&b = b] {
    b.write_all(std::string(1'000'000, 'x'));
    b.close();
  });
  std::size_t total = 0;
  char part[4096];
  while (std::size_t n = a.read_some(part)) total += n;
  writer.join();
  EXPECT_EQ(total, 1'000'000u);
}

TEST(Unix, MovesDataInsideRun) {
  std::size_t total = vervet::run({.workers = 2}, [] {
    auto [a, b] = unix_socket::pair();
    auto writer = vervet::spawn([&b = b] {
      b.write_all(std::string(1'000'000, 'x'));
      b.close();
    });
    std::size_t total = 0;
    char part[4096];
    while (std::size_t n = a.read_some(part)) total += n;
    writer.get();
    return total;
  });
  EXPECT_EQ(total, 1'000'000u);
}

}  // namespace
