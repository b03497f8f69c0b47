// stream_server.
#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <sys/resource.h>
#include <unistd.h>

#include <vervet/event.hpp>
#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/stream.hpp>
#include <vervet/stream_server.hpp>
#include <vervet/tcp.hpp>
#include <vervet/unix.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::address;
using vervet::stream;
using vervet::stream_server;
using vervet::tcp_listener;
using vervet::tcp_socket;

tcp_listener here() { return tcp_listener(address::loopback(0)); }

void echo_lines(tcp_socket& client) {
  stream peer(client);
  for (std::string line; !(line = peer.read_line()).empty();) peer.write(line);
}

template <typename Server>
tcp_socket connect(const Server& server) {
  return tcp_socket::connect(server.listener().local_address());
}

void allow_many_files() {
  rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

// Keeps a listener's accept() from ever working.
struct broken_listener {
  using socket_type = tcp_socket;
  int failures;  // so many of a kind that passes
  tcp_listener real = here();
  tcp_socket accept() {
    if (failures == 2) --failures, throw std::bad_alloc();
    if (failures-- > 0) throw std::system_error(EMFILE, std::generic_category());
    if (failures == -1) return real.accept();
    throw std::system_error(EIO, std::generic_category());
  }
  void close() { real.close(); }
  address local_address() const { return real.local_address(); }
};

TEST(StreamServer, StartsOnce) {
  stream_server server(here(), echo_lines);
  server.start();
  EXPECT_THROW(server.start(), std::logic_error);
  EXPECT_TRUE(server.stop());
  EXPECT_THROW(server.start(), std::logic_error);
  server.serve_forever();
}

TEST(StreamServer, CanBeDestroyedAtAnyTime) {
  { stream_server never_started(here(), echo_lines); }
  {
    stream_server not_run_yet(here(), echo_lines);
    not_run_yet.start();
  }
  stream_server running(here(), echo_lines);
  running.start();
  vervet::yield();
}

TEST(StreamServer, ServesEachConnectionInAFiberAndClosesItsSocket) {
  stream_server server(here(), [](tcp_socket& client) { client.write_all("hello"); });
  server.start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(stream(connect(server)).read_all(2s), "hello");
  EXPECT_TRUE(server.stop(1s));
}

TEST(StreamServer, ServesAThousandConnectionsAtOnce) {
  allow_many_files();
  constexpr int count = 1000;
  stream_server server(here(), echo_lines);
  server.start();
  std::vector<stream<tcp_socket>> clients;
  for (int i = 0; i < count; ++i) clients.emplace_back(connect(server));
  for (int i = 0; i < count; ++i) clients[i].write(std::to_string(i) + "\n");
  for (auto& c : clients) c.flush();
  for (int i = 0; i < count; ++i) ASSERT_EQ(clients[i].read_line(5s), std::to_string(i) + "\n");
  EXPECT_EQ(server.connections(), static_cast<std::size_t>(count));
  clients.clear();
  EXPECT_TRUE(server.stop(5s));
  EXPECT_EQ(server.connections(), 0u);
}

TEST(StreamServer, ServesAThousandConnectionsInsideRun) {
  allow_many_files();
  int answered = vervet::run({.workers = 2}, [] {
    constexpr int count = 1000;
    stream_server server(here(), echo_lines);
    server.start();
    std::atomic<int> good{0};
    std::vector<vervet::fiber<>> clients;
    for (int i = 0; i < count; ++i)
      clients.push_back(vervet::spawn([&, line = std::to_string(i) + "\n"] {
        stream peer(connect(server));
        for (int k = 0; k < 3; ++k) {
          peer.write(line);
          good += peer.read_line(10s) == line;
        }
      }));
    vervet::joinall(clients);
    EXPECT_TRUE(server.stop(5s));
    return good.load();
  });
  EXPECT_EQ(answered, 3000);
}

TEST(StreamServer, WhenFullTheBacklogIsTheQueue) {
  int most = 0, now = 0;
  auto counting = [&](tcp_socket& client) {
    struct leaving {
      int& count;
      ~leaving() { --count; }
    } at_end{now};
    most = std::max(most, ++now);
    char part[10];
    while (std::size_t n = client.read_some(part)) client.write_all({part, n});
  };
  stream_server server(here(), counting, {.size = 2});
  server.start();
  std::vector<tcp_socket> clients;
  for (int i = 0; i < 5; ++i) clients.push_back(connect(server));
  for (auto& c : clients) c.write_all("x\n");
  char part[10];
  EXPECT_EQ(clients[1].read_some(part, 1s), 2u);
  EXPECT_THROW(clients[2].read_some(part, 5ms), vervet::timed_out);
  EXPECT_EQ(clients[0].read_some(part, 1s), 2u);
  clients[0].close();
  EXPECT_EQ(clients[2].read_some(part, 1s), 2u);
  EXPECT_EQ(most, 2);
  for (int i = 1; i < 5; ++i) {
    if (i > 2) clients[i].read_some(part, 1s);
    clients[i].close();
  }
  EXPECT_TRUE(server.stop(1s));
}

TEST(StreamServer, AnExceptionEndsItsConnectionAloneAndIsReportedOnce) {
  stream_server server(here(), [](tcp_socket& client) {
    stream peer(client);
    if (peer.read_line() == "bad\n") throw std::runtime_error("no such word");
    peer.write("fine\n");
  });
  server.start();
  stream good(connect(server)), bad(connect(server));
  testing::internal::CaptureStderr();
  bad.write("bad\n");
  EXPECT_EQ(bad.read_all(1s), "");
  std::string told = testing::internal::GetCapturedStderr();
  EXPECT_NE(told.find("(connection) ended with an uncaught exception: no such word"),
            std::string::npos)
      << told;
  EXPECT_EQ(told.find('\n'), told.size() - 1);
  good.write("good\n");
  EXPECT_EQ(good.read_all(1s), "fine\n");
}

TEST(StreamServer, StopWaitsForHandlersUntilTheDeadlineThenKillsTheRest) {
  int unwound = 0;
  stream_server server(here(), [&](tcp_socket& client) {
    struct guard {
      int& count;
      ~guard() { ++count; }
    } at_end{unwound};
    echo_lines(client);
  });
  server.start();
  address where = server.listener().local_address();
  stream patient(connect(server)), quick(connect(server));
  patient.write("a\n");
  EXPECT_EQ(patient.read_line(1s), "a\n");
  auto ending = vervet::spawn([&] { quick.close(); });
  auto before = std::chrono::steady_clock::now();
  testing::internal::CaptureStderr();
  EXPECT_FALSE(server.stop(20ms));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "a kill is no error";
  EXPECT_GE(std::chrono::steady_clock::now() - before, 20ms);
  EXPECT_EQ(unwound, 2);
  EXPECT_EQ(patient.read_line(1s), "");
  EXPECT_THROW(tcp_socket::connect(where), std::system_error);
  ending.get();
}

TEST(StreamServer, StopReturnsAsSoonAsTheLastHandlerHasEnded) {
  stream_server server(here(), echo_lines);
  server.start();
  tcp_socket client = connect(server);
  auto ending = vervet::spawn([&] {
    vervet::sleep_for(5ms);
    client.close();
  });
  EXPECT_TRUE(server.stop());
  ending.get();
}

TEST(StreamServer, AStopThatIsCutLeavesTheHandlersAlone) {
  stream_server server(here(), echo_lines);
  server.start();
  stream client(connect(server));
  client.write("a\n");
  EXPECT_EQ(client.read_line(1s), "a\n");
  auto stopping = vervet::spawn([&] { server.stop(); });
  vervet::sleep_for(2ms);
  stopping.kill();
  client.write("b\n");
  EXPECT_EQ(client.read_line(1s), "b\n");
  client.close();
  EXPECT_TRUE(server.stop());
}

TEST(StreamServer, AHandlerMayCloseTheServer) {
  stream_server<tcp_listener>* self = nullptr;
  stream_server server(here(), [&](tcp_socket& client) {
    self->close();
    client.write_all("last");
  });
  self = &server;
  auto client = vervet::spawn([&] { return stream(connect(server)).read_all(); });
  server.serve_forever();
  EXPECT_EQ(client.get(), "last");
}

TEST(StreamServer, ServeForeverEndsWithStop) {
  stream_server server(here(), echo_lines);
  auto serving = vervet::spawn([&] { server.serve_forever(); });
  vervet::yield();
  EXPECT_FALSE(serving.has_ended());
  EXPECT_TRUE(server.stop());
  serving.get();
}

TEST(StreamServer, ShortagesPassOtherErrorsOfAcceptDoNot) {
  stream_server server(broken_listener{2}, echo_lines);
  stream client(connect(server));
  client.write("still\n");
  client.flush();
  auto before = std::chrono::steady_clock::now();
  auto serving = vervet::spawn([&] { server.serve_forever(); });
  try {
    serving.get();
    FAIL();
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EIO);
  }
  EXPECT_GE(std::chrono::steady_clock::now() - before, 30ms) << "10 ms, then 20";
  EXPECT_EQ(client.read_line(2s), "still\n");
}

TEST(StreamServer, IsStoppedByAnotherThread) {
  stream_server server(here(), echo_lines);
  std::thread serving([&] { server.serve_forever(); });
  stream client(connect(server));
  client.write("x\n");
  EXPECT_EQ(client.read_line(2s), "x\n");
  EXPECT_FALSE(server.stop(1ms));
  serving.join();
}

TEST(StreamServer, ServesLocalSocketsToo) {
  auto name = std::string("\0vervet-server-", 15) + std::to_string(getpid());
  stream_server server(vervet::unix_listener(address::unix_path(name)),
                       [](vervet::unix_socket& client) { client.write_all("local"); });
  server.start();
  stream client(vervet::unix_socket::connect(address::unix_path(name)));
  EXPECT_EQ(client.read_all(1s), "local");
}

}  // namespace
