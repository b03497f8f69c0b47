// tcp_socket and tcp_listener, and what they have of socket.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/resource.h>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/tcp.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::tcp_listener;
using vervet::tcp_socket;

struct pair {
  tcp_listener listener{address::loopback(0)};
  tcp_socket client = tcp_socket::connect(listener.local_address());
  tcp_socket server = listener.accept();
};

std::string read_all(tcp_socket& from) {
  std::string all, part(4096, 0);
  while (std::size_t n = from.read_some(part)) all.append(part, 0, n);
  return all;
}

void echo(tcp_socket& client) {
  char part[4096];
  while (std::size_t n = client.read_some(part)) client.write_all({part, n});
}

TEST(Tcp, RefusesWhatTheKernelRefuses) {
  tcp_listener listener(address::loopback(0));
  address taken = listener.local_address();
  EXPECT_EQ(error_of([&] { tcp_listener other(taken); }), std::errc::address_in_use);
  listener.close();
  EXPECT_EQ(error_of([&] { tcp_socket::connect(taken); }), std::errc::connection_refused);
  EXPECT_EQ(error_of([&] { listener.accept(); }), std::errc::bad_file_descriptor);
  tcp_socket empty;
  char c;
  EXPECT_EQ(error_of([&] { empty.read_some({&c, 1}); }), std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([&] { empty.shutdown(); }), std::errc::bad_file_descriptor);
  EXPECT_EQ(error_of([&] { tcp_socket::connect(address()); }),
            std::errc::address_family_not_supported);
}

TEST(Tcp, ASocketThatDoesNotListenAcceptsNothing) {
  tcp_listener connected(socket(AF_INET, SOCK_STREAM, 0));
  EXPECT_EQ(error_of([&] { connected.accept(1ms); }), std::errc::invalid_argument);
  tcp_listener datagrams(socket(AF_INET, SOCK_DGRAM, 0));
  EXPECT_EQ(error_of([&] { datagrams.accept(1ms); }), std::errc::operation_not_supported);
}

TEST(Tcp, ReadingIntoNothingDoesNotWait) {
  pair p;
  char c;
  EXPECT_THROW(p.client.read_some({&c, 1}, 1ms), vervet::timed_out);
  EXPECT_EQ(p.client.read_some({&c, 0}), 0u);
}

TEST(Tcp, KnowsItsAddresses) {
  tcp_listener listener(address::loopback(0));
  EXPECT_NE(listener.local_address().port(), 0);
  tcp_socket client = tcp_socket::connect(listener.local_address());
  address peer;
  tcp_socket server = listener.accept(peer);
  EXPECT_EQ(peer, client.local_address());
  EXPECT_EQ(client.peer_address(), server.local_address());
}

TEST(Tcp, WorksOverIpv6) {
  try {
    tcp_listener listener(address("::1", 0), {.only_v6 = true});
    tcp_socket client = tcp_socket::connect(listener.local_address());
    listener.accept().write_all("six");
    EXPECT_EQ(read_all(client), "six");
  } catch (const std::system_error&) {
    GTEST_SKIP() << "no IPv6 here";
  }
}

TEST(Tcp, EndOfStreamIsACountOfZero) {
  pair p;
  p.client.write_all("last words");
  p.client.shutdown(vervet::shutdown_mode::send);
  EXPECT_EQ(read_all(p.server), "last words");
  char c;
  EXPECT_EQ(p.server.read_some({&c, 1}), 0u);
  p.server.write_all("answer");
  p.server.close();
  EXPECT_EQ(read_all(p.client), "answer");
}

TEST(Tcp, AServerAndItsClientsShareAThread) {
  tcp_listener listener(address::loopback(0));
  auto server = vervet::spawn([&] {
    for (int i = 0; i < 10; ++i)
      vervet::spawn([client = listener.accept()]() mutable { echo(client); });
  });
  std::vector<vervet::fiber<std::string>> clients;
  for (int i = 0; i < 10; ++i)
    clients.push_back(vervet::spawn([&, i] {
      tcp_socket s = tcp_socket::connect(listener.local_address());
      for (int k = 0; k < 5; ++k) {
        s.write_all(std::to_string(i));
        char c;
        EXPECT_EQ(s.read_some({&c, 1}), 1u);
      }
      s.write_all(std::to_string(i));
      s.shutdown(vervet::shutdown_mode::send);
      return read_all(s);
    }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(clients[i].get(), std::to_string(i));
  server.get();
}

TEST(Tcp, WritingWaitsForASlowReader) {
  pair p;
  std::string much(8'000'000, 'x');
  bool written = false;
  auto writer = vervet::spawn([&] {
    p.client.write_all(much);
    written = true;
    p.client.close();
  });
  vervet::sleep_for(5ms);
  EXPECT_FALSE(written);
  EXPECT_EQ(read_all(p.server).size(), much.size());
  writer.get();
}

TEST(Tcp, CallsTimeOutAndLeaveTheSocketAsItWas) {
  pair p;
  char c;
  EXPECT_THROW(p.listener.accept(1ms), vervet::timed_out);
  EXPECT_THROW(p.server.read_some({&c, 1}, 1ms), vervet::timed_out);
  EXPECT_THROW(p.server.read_some({&c, 1}, 0ms), vervet::timed_out);
  EXPECT_THROW(p.server.write_all(std::string(20'000'000, 'x'), 5ms), vervet::timed_out);
  p.client.write_all("a");
  EXPECT_EQ(p.server.read_some({&c, 1}, 1s), 1u);
}

// A deadline that has passed looks at what is there, also after the socket was found empty before.
TEST(Tcp, ADeadlineThatHasPassedStillLooks) {
  pair p;
  char c;
  EXPECT_THROW(p.server.read_some({&c, 1}, 0ms), vervet::timed_out);
  p.client.write_all("ab");
  EXPECT_EQ(p.server.read_some({&c, 1}, 0ms), 1u);
  EXPECT_EQ(p.server.read_some({&c, 1}, 0ms), 1u);
  EXPECT_THROW(p.server.read_some({&c, 1}, 0ms), vervet::timed_out);
  p.client.write_all("c");
  EXPECT_EQ(p.server.read_some({&c, 1}, 0ms), 1u);
}

TEST(Tcp, ConnectingTimesOut) {
  // A backlog that is full: the kernel drops what comes then.
  tcp_listener listener(address::loopback(0), {.backlog = 0});
  std::vector<tcp_socket> waiting;
  bool timed_out = false;
  for (int i = 0; i < 10 && !timed_out; ++i) {
    try {
      waiting.push_back(tcp_socket::connect(listener.local_address(), 20ms));
    } catch (const vervet::timed_out&) {
      timed_out = true;
    }
  }
  EXPECT_TRUE(timed_out);
}

TEST(Tcp, TwoReadersOfOneSocketTakeTurns) {
  pair p;
  auto read = [&] {
    char c = 0;
    p.server.read_some({&c, 1});
    return c;
  };
  auto first = vervet::spawn(read);
  auto second = vervet::spawn(read);
  vervet::yield();
  p.client.write_all("1");
  EXPECT_EQ(first.get(), '1');
  EXPECT_FALSE(second.has_ended());
  p.client.write_all("2");
  EXPECT_EQ(second.get(), '2');
}

TEST(Tcp, WhatOneReaderLeavesWakesTheNext) {
  pair p;
  auto read = [&] {
    char c = 0;
    p.server.read_some({&c, 1});
    return c;
  };
  auto first = vervet::spawn(read);
  auto second = vervet::spawn(read);
  vervet::yield();
  p.client.write_all("12");
  EXPECT_EQ(first.get(), '1');
  EXPECT_EQ(second.get(), '2');
}

TEST(Tcp, AKilledReaderLosesNothing) {
  pair p;
  auto killed = vervet::spawn([&] {
    char c;
    try {
      p.server.read_some({&c, 1});
    } catch (const vervet::cut_short&) {
      return true;
    }
    return false;
  });
  vervet::yield();
  vervet_kill(killed.native_handle());
  p.client.write_all("k");
  EXPECT_TRUE(killed.get());
  char c = 0;
  EXPECT_EQ(p.server.read_some({&c, 1}), 1u);
}

TEST(Tcp, AKillReachesAcceptAndConnect) {
  tcp_listener listener(address::loopback(0), {.backlog = 0});
  auto cut = [](auto call) {
    try {
      call();
    } catch (const vervet::cut_short&) {
      return true;
    }
    return false;
  };
  auto accepting = vervet::spawn([&] { return cut([&] { listener.accept(); }); });
  vervet::yield();
  vervet_kill(accepting.native_handle());
  EXPECT_TRUE(accepting.get());
  auto connecting = vervet::spawn([&] {
    return cut([&] {
      std::vector<tcp_socket> all;
      for (int i = 0; i < 10; ++i) all.push_back(tcp_socket::connect(listener.local_address()));
    });
  });
  vervet::sleep_for(5ms);
  vervet_kill(connecting.native_handle());
  EXPECT_TRUE(connecting.get());
}

TEST(Tcp, CloseWakesReadersWritersAndAccept) {
  pair p;
  auto reader = vervet::spawn([&] {
    char c;
    return error_of([&] { p.server.read_some({&c, 1}); });
  });
  auto writer = vervet::spawn(
      [&] { return error_of([&] { p.server.write_all(std::string(20'000'000, 'x')); }); });
  auto accepting = vervet::spawn([&] { return error_of([&] { p.listener.accept(); }); });
  vervet::sleep_for(2ms);
  p.server.close();
  p.listener.close();
  EXPECT_EQ(reader.get(), std::errc::bad_file_descriptor);
  EXPECT_EQ(writer.get(), std::errc::bad_file_descriptor);
  EXPECT_EQ(accepting.get(), std::errc::bad_file_descriptor);
}

// Both fibers are woken in one round, the closing one first; then the number is used again.
TEST(Tcp, AReaderThatWasWokenDoesNotReadFromTheNextOwnerOfTheNumber) {
  pair p, q, first;
  tcp_socket stranger;
  auto closing = vervet::spawn([&] {
    char c;
    first.server.read_some({&c, 1});
    int number = p.server.native_handle();
    p.server.close();
    ASSERT_EQ(fcntl(q.server.native_handle(), F_DUPFD_CLOEXEC, number), number);
    stranger = tcp_socket(number);
  });
  auto reader = vervet::spawn([&] {
    char c = 0;
    std::error_code error = error_of([&] { p.server.read_some({&c, 1}); });
    EXPECT_EQ(c, 0);
    return error;
  });
  vervet::yield();
  q.client.write_all("q");
  first.client.write_all("f");
  p.client.write_all("p");
  closing.get();
  EXPECT_EQ(reader.get(), std::errc::bad_file_descriptor);
  char c = 0;
  EXPECT_EQ(stranger.read_some({&c, 1}, 1s), 1u);
  EXPECT_EQ(c, 'q');
}

TEST(Tcp, ShutdownWakesAReaderOfAnotherThread) {
  pair p;
  std::thread reader([&] {
    char c;
    EXPECT_EQ(p.server.read_some({&c, 1}), 0u);
  });
  p.server.shutdown();
  reader.join();
}

TEST(Tcp, AResetIsAnError) {
  pair p;
  p.client.set_option(SOL_SOCKET, SO_LINGER, linger{1, 0});
  p.client.close();
  char c;
  EXPECT_EQ(error_of([&] { p.server.read_some({&c, 1}); }), std::errc::connection_reset);
  EXPECT_EQ(error_of([&] { p.server.write_some("x"); }), std::errc::broken_pipe);
}

TEST(Tcp, TooManyOpenFilesIsAnErrorOfAccept) {
  pair p;
  tcp_socket client = tcp_socket::connect(p.listener.local_address());
  rlimit before, tight;
  getrlimit(RLIMIT_NOFILE, &before);
  tight = before;
  tight.rlim_cur = 3;
  setrlimit(RLIMIT_NOFILE, &tight);
  std::error_code error = error_of([&] { p.listener.accept(); });
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(error, std::errc::too_many_files_open);
  EXPECT_TRUE(p.listener.accept(1s));
}

TEST(Tcp, AnAcceptedSocketIsServedInAnotherThread) {
  tcp_listener listener(address::loopback(0));
  tcp_socket client = tcp_socket::connect(listener.local_address());
  tcp_socket accepted = listener.accept();
  char c;
  // Registered with this thread's hub, then used in another one's.
  EXPECT_THROW(accepted.read_some({&c, 1}, 1ms), vervet::timed_out);
  std::thread serving([&] {
    vervet::spawn([&] { echo(accepted); }).get();
    accepted.close();
  });
  client.write_all("over there");
  client.shutdown(vervet::shutdown_mode::send);
  EXPECT_EQ(read_all(client), "over there");
  serving.join();
}

TEST(Tcp, OneSocketIsReadInOneThreadAndWrittenInAnother) {
  pair p;
  std::string much(2'000'000, 'x');
  std::thread writing([&] {
    p.server.write_all(much);
    p.server.shutdown(vervet::shutdown_mode::send);
  });
  std::thread echoing([&] {
    echo(p.client);
    p.client.close();
  });
  EXPECT_EQ(read_all(p.server).size(), much.size());
  writing.join();
  echoing.join();
}

TEST(Tcp, ServesInsideRun) {
  int served = vervet::run({.workers = 2}, [] {
    tcp_listener listener(address::loopback(0));
    auto server = vervet::spawn([&] {
      for (int i = 0; i < 20; ++i)
        vervet::spawn(
            [client = std::make_shared<tcp_socket>(listener.accept())] { echo(*client); });
    });
    std::vector<vervet::fiber<std::string>> clients;
    for (int i = 0; i < 20; ++i)
      clients.push_back(vervet::spawn([&] {
        tcp_socket s = tcp_socket::connect(listener.local_address());
        char c;
        for (int k = 0; k < 50; ++k) {
          s.write_all("x");
          s.read_some({&c, 1});
        }
        s.write_all("y");
        s.shutdown(vervet::shutdown_mode::send);
        return read_all(s);
      }));
    int good = 0;
    for (auto& c : clients) good += c.get() == "y";
    server.get();
    return good;
  });
  EXPECT_EQ(served, 20);
}

}  // namespace
