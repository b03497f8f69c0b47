#include <vervet/once.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::once_flag in_static_storage;

TEST(Once, ACallFromWithinIsAnError) {
  vervet::once_flag flag;
  vervet::call_once(flag, [&] {
    try {
      vervet::call_once(flag, [] {});
      ADD_FAILURE();
    } catch (const std::system_error& e) {
      EXPECT_EQ(e.code(), std::errc::resource_deadlock_would_occur);
    }
  });
}

TEST(Once, CallsTheFirstAndWhoeverComesMeanwhileWaits) {
  int calls = 0;
  auto work = [&] {
    vervet::call_once(
        in_static_storage,
        [&](int by) {
          vervet::yield();
          calls += by;
        },
        1);
    EXPECT_EQ(calls, 1);
  };
  vervet::joinall(vervet::spawn(work), vervet::spawn(work), vervet::spawn(work));
  EXPECT_EQ(calls, 1);
}

TEST(Once, IfItThrowsTheLongestWaiterTriesNext) {
  vervet::once_flag flag;
  std::string order;
  auto attempt = [&](char c, bool fail) {
    return vervet::spawn([&, c, fail] {
      try {
        vervet::call_once(flag, [&] {
          vervet::yield();
          order += c;
          if (fail) throw std::runtime_error("no");
        });
      } catch (const std::runtime_error&) {
        return false;
      }
      return true;
    });
  };
  auto a = attempt('a', true), b = attempt('b', true), c = attempt('c', false),
       d = attempt('d', false);
  EXPECT_FALSE(a.get());
  EXPECT_FALSE(b.get());
  EXPECT_TRUE(c.get());
  EXPECT_TRUE(d.get());
  EXPECT_EQ(order, "abc");
}

TEST(Once, IfItThrowsAndNobodyWaitsTheNextToComeTries) {
  vervet::once_flag flag;
  EXPECT_THROW(vervet::call_once(flag, [] { throw std::runtime_error("no"); }),
               std::runtime_error);
  int calls = 0;
  vervet::call_once(flag, [&] { ++calls; });
  vervet::call_once(flag, [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(Once, IfTheRunnerIsKilledTheNextOneTries) {
  vervet::once_flag flag;
  auto runner = spawn_victim([&] { vervet::call_once(flag, [] { vervet::sleep_for(1h); }); });
  int calls = 0;
  auto next = vervet::spawn([&] { vervet::call_once(flag, [&] { ++calls; }); });
  vervet::yield();
  kill(runner);
  EXPECT_TRUE(runner.get());
  next.join();
  EXPECT_EQ(calls, 1);
}

TEST(Once, AKilledWaiterLeavesTheQueue) {
  vervet::once_flag flag;
  auto runner = vervet::spawn([&] { vervet::call_once(flag, [] { vervet::sleep_for(5ms); }); });
  auto victim = spawn_victim([&] { vervet::call_once(flag, [] {}); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  runner.join();
  vervet::call_once(flag, [] { ADD_FAILURE(); });
}

TEST(Once, IsOnceForAllThreads) {
  for (int i = 0; i < 50; ++i) {
    vervet::once_flag flag;
    int calls = 0;
    auto work = [&] {
      vervet::call_once(flag, [&] { ++calls; });
      EXPECT_EQ(calls, 1);
    };
    std::thread a(work), b([&] { vervet::joinall(vervet::spawn(work), vervet::spawn(work)); });
    work();
    a.join();
    b.join();
  }
}

TEST(Once, IsOnceForFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::once_flag flag;
    std::atomic<int> calls{0};
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 20; ++i)
      all.push_back(vervet::spawn([&] {
        vervet::call_once(flag, [&] {
          vervet::sleep_for(1ms);
          ++calls;
        });
        EXPECT_EQ(calls, 1);
      }));
    vervet::joinall(all);
  });
}

}  // namespace
