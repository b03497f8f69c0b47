#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include <vervet/run.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;
namespace this_fiber = vervet::this_fiber;

TEST(ThisFiber, OfAnOsThreadHasAnIdAndNoName) {
  EXPECT_NE(this_fiber::id(), 0u);
  EXPECT_EQ(this_fiber::name(), "");
  EXPECT_EQ(this_fiber::number(), 0u);
  EXPECT_FALSE(this_fiber::is_killed());
  EXPECT_NO_THROW(this_fiber::check());
}

TEST(ThisFiber, HasANameAndAnIdOfItsOwn) {
  auto look = [] {
    EXPECT_EQ(this_fiber::name(), "worker");
    std::uint64_t id = this_fiber::id();
    this_fiber::sleep_for(1ms);
    EXPECT_EQ(this_fiber::id(), id);
    return id;
  };
  auto both = [&] {
    auto a = vervet::spawn({.name = "worker"}, look);
    auto b = vervet::spawn({.name = "worker"}, look);
    EXPECT_EQ((std::set{a.get(), b.get(), this_fiber::id()}.size()), 3u);
  };
  both();
  std::thread(both).join();
  vervet::run({.workers = 2}, both);
}

TEST(ThisFiber, IdleLetsAllOthersRunUntilTheyWait) {
  int steps = 0;
  auto worker = vervet::spawn([&] {
    for (int i = 0; i < 5; ++i) {
      ++steps;
      vervet::yield();
    }
    vervet::spawn([&] { ++steps; });
    vervet::sleep_for(1h);
  });
  this_fiber::idle();
  EXPECT_EQ(steps, 6);
  worker.kill();
  EXPECT_NO_THROW(this_fiber::idle());
}

TEST(ThisFiber, IdleDoesNotWaitForOthersThatAreIdle) {
  auto two = [] {
    std::vector<vervet::fiber<>> idlers;
    for (int i = 0; i < 3; ++i) idlers.push_back(vervet::spawn([] { this_fiber::idle(); }));
    EXPECT_TRUE(vervet::joinall(idlers, 10s));
  };
  two();
  vervet::run({.workers = 2}, two);
}

TEST(ThisFiber, IdleIsCutThoughOthersAreBusy) {
  auto cut = [] {
    std::atomic<bool> over{false};
    auto busy = vervet::spawn([&] {
      while (!over) vervet::yield();
    });
    auto idler = vervet::spawn([] { this_fiber::idle(); });
    vervet::yield();
    EXPECT_TRUE(idler.kill(10s));
    over = true;
    busy.join();
  };
  cut();
  vervet::run({.workers = 2}, cut);
}

TEST(ThisFiber, LooksForAKillWithoutTakingIt) {
  int rounds = 0;
  auto f = vervet::spawn([&] {
    try {
      vervet::yield();
    } catch (const vervet::fiber_exit&) {
    }
    while (!this_fiber::is_killed()) {
      vervet::shield closed;
      ++rounds;
      vervet::yield();
    }
    EXPECT_TRUE(this_fiber::is_killed());
    EXPECT_THROW(this_fiber::check(), vervet::fiber_exit);
    EXPECT_FALSE(this_fiber::is_killed());
    this_fiber::check();
    this_fiber::yield();
  });
  vervet::yield();
  f.kill(vervet::fiber_exit(), false);
  vervet::yield();
  vervet::yield();
  f.kill(vervet::fiber_exit(), false);
  f.join();
  EXPECT_TRUE(f.successful());
  EXPECT_GT(rounds, 0);
}

TEST(ThisFiber, CheckThrowsWhatAKillWasGiven) {
  struct mine {};
  bool seen = false;
  auto f = vervet::spawn([&] {
    try {
      vervet::shield closed;
      vervet::yield();
    } catch (...) {
    }
    try {
      this_fiber::check();
    } catch (const mine&) {
      seen = true;
    }
  });
  vervet::yield();
  f.kill(mine{}, false);
  f.join();
  EXPECT_TRUE(seen);
}

}  // namespace
