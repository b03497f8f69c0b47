// Full fibers inside vervet::run() of a patched program.
#include <gtest/gtest.h>

#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include <vervet/run.hpp>

#include "common.hpp"

namespace {

using namespace patched_test;

TEST(PatchedRun, CallsOfFullFibersPark) {
  auto took = time_of(
      [] { vervet::run({.workers = 2}, [] { run_fibers(20, [](int) { usleep(100'000); }); }); });
  EXPECT_LT(took, 900ms);
}

// A descriptor outlives the run, whose poller does not.
TEST(PatchedRun, OneSocketServesRunAfterRun) {
  int end[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, end), 0);
  auto exchange = [&] {
    auto reader = vervet::spawn([&] {
      char byte = 0;
      return recv(end[0], &byte, 1, 0) == 1 && byte == 'x';
    });
    auto writer = vervet::spawn([&] {
      usleep(10'000);
      return send(end[1], "x", 1, 0) == 1;
    });
    EXPECT_TRUE(writer.get());
    EXPECT_TRUE(reader.get());
  };
  vervet::run({.workers = 2}, exchange);
  vervet::run({.workers = 2}, exchange);
  exchange();
  vervet::run({.workers = 1}, exchange);
  exchange();
  close(end[0]);
  close(end[1]);
}

TEST(PatchedRun, LocksConnectFullFibersLightOnesAndThreads) {
  std::recursive_mutex m;
  int count = 0;
  auto work = [&] {
    for (int i = 0; i < 500; ++i) {
      std::lock_guard outer(m);
      std::lock_guard inner(m);
      int seen = count;
      if (i % 50 == 0) usleep(10);
      count = seen + 1;
    }
  };
  std::thread native(work);
  std::thread hosting([&] { run_fibers(2, [&](int) { work(); }); });
  vervet::run({.workers = 2}, [&] { run_fibers(4, [&](int) { work(); }); });
  native.join();
  hosting.join();
  EXPECT_EQ(count, 7 * 500);
}

TEST(PatchedRun, ThreadsMadeInsideAreNative) {
  vervet::run({.workers = 2}, [] {
    run_fibers(3, [](int) {
      std::atomic<bool> ran{false};
      std::thread t([&] { ran = true; });
      t.join();
      EXPECT_TRUE(ran);
    });
  });
}

}  // namespace
