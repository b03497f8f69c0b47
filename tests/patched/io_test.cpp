// Blocking calls of light fibers of one OS thread wait at the same time.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "common.hpp"

namespace {

using namespace patched_test;

constexpr int fibers = 20;

// A pair of sockets, or of a pipe's ends.
struct pair_of {
  explicit pair_of(bool sockets) {
    int result = sockets ? socketpair(AF_UNIX, SOCK_STREAM, 0, end) : pipe(end);
    EXPECT_EQ(result, 0);
  }
  ~pair_of() {
    close(end[0]);
    close(end[1]);
  }
  int end[2];
};

// `wait(fd)` waits until the descriptor is readable: each fiber for its own, all for 100 ms.
template <typename Wait>
void expect_concurrent(bool sockets, Wait wait) {
  std::vector<std::unique_ptr<pair_of>> pairs;
  for (int i = 0; i < fibers; ++i) pairs.push_back(std::make_unique<pair_of>(sockets));
  int threads = kernel_threads();
  std::atomic<int> done{0};
  auto took = time_of([&] {
    auto writer = vervet::spawn([&] {
      usleep(100'000);
      EXPECT_EQ(done, 0);
      for (auto& p : pairs) EXPECT_EQ(write(p->end[1], "x", 1), 1);
    });
    run_fibers(fibers, [&](int i) {
      wait(pairs[static_cast<size_t>(i)]->end[0]);
      ++done;
    });
    writer.get();
  });
  EXPECT_EQ(done, fibers);
  EXPECT_EQ(kernel_threads(), threads);
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 600ms);
}

void expect_byte(ssize_t got, const char& byte) {
  EXPECT_EQ(got, 1);
  EXPECT_EQ(byte, 'x');
}

TEST(PatchedIo, FibersReceiveConcurrently) {
  expect_concurrent(true, [](int fd) {
    char byte = 0;
    expect_byte(recv(fd, &byte, 1, 0), byte);
  });
}

TEST(PatchedIo, FibersReadPipesConcurrently) {
  expect_concurrent(false, [](int fd) {
    char byte = 0;
    expect_byte(read(fd, &byte, 1), byte);
  });
}

TEST(PatchedIo, FibersReceiveMessagesConcurrently) {
  expect_concurrent(true, [](int fd) {
    char byte = 0;
    iovec piece{&byte, 1};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    expect_byte(recvmsg(fd, &message, 0), byte);
  });
}

TEST(PatchedIo, FibersPollConcurrently) {
  expect_concurrent(true, [](int fd) {
    pollfd one{fd, POLLIN, 0};
    EXPECT_EQ(poll(&one, 1, -1), 1);
    EXPECT_EQ(one.revents, POLLIN);
  });
}

TEST(PatchedIo, FibersSelectConcurrently) {
  expect_concurrent(true, [](int fd) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    EXPECT_EQ(select(fd + 1, &set, nullptr, nullptr, nullptr), 1);
    EXPECT_TRUE(FD_ISSET(fd, &set));
  });
}

TEST(PatchedIo, FibersWaitForEpollSetsConcurrently) {
  expect_concurrent(true, [](int fd) {
    int set = epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    EXPECT_EQ(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
    EXPECT_EQ(epoll_wait(set, &event, 1, -1), 1);
    close(set);
  });
}

TEST(PatchedIo, FibersSleepConcurrently) {
  auto took = time_of([] {
    run_fibers(fibers, [](int) {
      timespec t{0, 50'000'000};
      EXPECT_EQ(nanosleep(&t, nullptr), 0);
      EXPECT_EQ(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, nullptr), 0);
    });
  });
  EXPECT_GE(took, 100ms);
  EXPECT_LT(took, 400ms);
}

TEST(PatchedIo, ATimeoutOfPollPasses) {
  run_fibers(2, [](int) {
    pair_of p(true);
    pollfd one{p.end[0], POLLIN, 0};
    auto took = time_of([&] { EXPECT_EQ(poll(&one, 1, 50), 0); });
    EXPECT_GE(took, 50ms);
  });
}

TEST(PatchedIo, ASocketsTimeoutPasses) {
  run_fibers(2, [](int) {
    pair_of p(true);
    timeval limit{0, 50'000};
    EXPECT_EQ(setsockopt(p.end[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    char byte;
    EXPECT_EQ(recv(p.end[0], &byte, 1, 0), -1);
    EXPECT_EQ(errno, EAGAIN);
  });
}

TEST(PatchedIo, TheThreadsOwnFlowWaitsInTheHub) {
  pair_of p(true);
  auto writer = vervet::spawn([&] {
    usleep(30'000);
    EXPECT_EQ(write(p.end[1], "x", 1), 1);
  });
  char byte = 0;
  expect_byte(read(p.end[0], &byte, 1), byte);
  writer.get();
}

struct listener {
  listener() {
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd, 64), 0);
    EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  }
  ~listener() { close(fd); }
  int connected() const {
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(connect(to, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return to;
  }
  int fd;
  sockaddr_in address{};
};

void echo(int fd) {
  char buffer[64];
  ssize_t got;
  while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0)
    EXPECT_EQ(send(fd, buffer, static_cast<size_t>(got), 0), got);
  close(fd);
}

void ask(const listener& l, int rounds) {
  int fd = l.connected();
  for (int i = 0; i < rounds; ++i) {
    std::string text = "round " + std::to_string(i);
    EXPECT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
    char answer[64] = {};
    EXPECT_EQ(recv(fd, answer, text.size(), MSG_WAITALL), static_cast<ssize_t>(text.size()));
    EXPECT_EQ(answer, text);
  }
  close(fd);
}

TEST(PatchedIo, AServerAndItsClientsShareAThread) {
  listener l;
  auto server = vervet::spawn([&] {
    for (int i = 0; i < fibers; ++i) {
      int fd = accept(l.fd, nullptr, nullptr);
      EXPECT_GE(fd, 0);
      vervet::spawn([fd] { echo(fd); });
    }
  });
  run_fibers(fibers, [&](int) { ask(l, 10); });
  server.get();
}

TEST(PatchedIo, TwoThreadsHaveHubsOfTheirOwn) {
  listener l;
  std::thread other([&] {
    std::vector<vervet::fiber<>> sessions;
    auto server = vervet::spawn([&] {
      for (int i = 0; i < fibers; ++i) {
        int fd = accept(l.fd, nullptr, nullptr);
        sessions.push_back(vervet::spawn([fd] { echo(fd); }));
      }
    });
    server.get();
    for (auto& session : sessions) session.get();
  });
  run_fibers(fibers, [&](int) { ask(l, 10); });
  other.join();
}

// The fibers' thread makes the listener non-blocking behind the program's back.
TEST(PatchedIo, ANativeThreadAcceptsBesideFibers) {
  listener l;
  auto fiber = vervet::spawn([&] { close(accept(l.fd, nullptr, nullptr)); });
  usleep(1000);
  EXPECT_EQ(fcntl(l.fd, F_GETFL) & O_NONBLOCK, 0);
  close(l.connected());
  fiber.get();
  std::atomic<int> accepted{-2};
  std::thread native([&] { accepted = accept(l.fd, nullptr, nullptr); });
  usleep(50'000);
  EXPECT_EQ(accepted, -2);
  close(l.connected());
  native.join();
  EXPECT_GE(accepted, 0);
  close(accepted);
}

TEST(PatchedIo, AClosedDescriptorEndsItsWaits) {
  pair_of p(true);
  int copy = dup(p.end[0]);
  auto reader = vervet::spawn([&] {
    char byte;
    EXPECT_EQ(recv(copy, &byte, 1, 0), -1);
    EXPECT_EQ(errno, EBADF);
  });
  usleep(1000);
  close(copy);
  reader.get();
}

TEST(PatchedIo, CountersAndDuplicatesPark) {
  int counter = eventfd(0, EFD_CLOEXEC);
  int copy = dup(counter);
  auto reader = vervet::spawn([&] {
    eventfd_t value = 0;
    EXPECT_EQ(eventfd_read(copy, &value), 0);
    return value;
  });
  usleep(20'000);
  EXPECT_EQ(eventfd_write(counter, 7), 0);
  EXPECT_EQ(reader.get(), 7u);
  close(counter);
  close(copy);
}

TEST(PatchedIo, AShortSleepOfZeroLetsOthersRun) {
  std::string order;
  auto a = vervet::spawn([&] {
    order += 'a';
    usleep(0);
    order += 'c';
  });
  auto b = vervet::spawn([&] {
    order += 'b';
    sched_yield();
    order += 'd';
  });
  a.get();
  b.get();
  EXPECT_EQ(order, "abcd");
}

TEST(PatchedIo, LargeTransfersAreWhole) {
  pair_of p(true);
  constexpr size_t size = 3'000'000;
  std::vector<char> sent(size, 'y'), got(size);
  auto writer = vervet::spawn(
      [&] { EXPECT_EQ(write(p.end[1], sent.data(), size), static_cast<ssize_t>(size)); });
  auto reader = vervet::spawn([&] {
    EXPECT_EQ(recv(p.end[0], got.data(), size, MSG_WAITALL), static_cast<ssize_t>(size));
  });
  writer.get();
  reader.get();
  EXPECT_EQ(sent, got);
}

}  // namespace
