#include <vervet/barrier.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::barrier<> in_static_storage(1);

TEST(Barrier, RefusesWhatMakesNoSense) {
  EXPECT_THROW(vervet::barrier(-1), std::invalid_argument);
  vervet::barrier b(2);
  EXPECT_THROW(static_cast<void>(b.arrive(3)), std::logic_error);
  EXPECT_THROW(static_cast<void>(b.arrive(0)), std::logic_error);
  EXPECT_TRUE(in_static_storage.arrive_and_wait());
}

TEST(Barrier, PhasesEndWhenAllHaveArrived) {
  int phase = 0, arrived = 0;
  vervet::barrier b(3, [&] {
    EXPECT_EQ(arrived, 3);
    arrived = 0;
    ++phase;
  });
  auto work = [&] {
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(phase, i);
      ++arrived;
      EXPECT_TRUE(b.arrive_and_wait());
    }
  };
  vervet::joinall(vervet::spawn(work), vervet::spawn(work), vervet::spawn(work));
  EXPECT_EQ(phase, 4);
}

TEST(Barrier, ArrivalAndWaitingCanBeTwoSteps) {
  vervet::barrier b(2);
  auto mine = b.arrive();
  EXPECT_FALSE(b.wait(mine, 1ms));
  auto other = b.arrive();
  EXPECT_TRUE(b.wait(mine));
  EXPECT_TRUE(b.wait(other));
}

TEST(Barrier, WhoDropsIsNotExpectedAgain) {
  vervet::barrier b(2);
  auto stays = vervet::spawn([&] {
    b.arrive_and_wait();
    b.arrive_and_wait();
    b.arrive_and_wait();
  });
  b.arrive_and_wait();
  b.arrive_and_drop();
  EXPECT_TRUE(stays.join(10s));
  b.arrive_and_drop();
  EXPECT_THROW(b.arrive_and_drop(), std::logic_error);
}

TEST(Barrier, ACompletionMayWaitAndThrow) {
  int phase = 0;
  vervet::barrier b(2, [&] {
    vervet::sleep_for(1ms);
    if (++phase == 1) throw std::runtime_error("phase");
  });
  auto first = vervet::spawn([&] { return b.arrive_and_wait(); });
  vervet::yield();
  EXPECT_THROW(b.arrive_and_wait(), std::runtime_error);
  EXPECT_TRUE(first.get());
  auto second = vervet::spawn([&] { return b.arrive_and_wait(); });
  EXPECT_TRUE(b.arrive_and_wait());
  EXPECT_TRUE(second.get());
}

TEST(Barrier, AKilledOrTimedOutArrivalCounts) {
  vervet::barrier b(3);
  auto victim = spawn_victim([&] { b.arrive_and_wait(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  EXPECT_FALSE(b.arrive_and_wait(1ms));
  EXPECT_TRUE(b.arrive_and_wait());
}

TEST(Barrier, TellsOfADeadlock) {
  vervet::barrier b(2);
  EXPECT_THROW(b.arrive_and_wait(), vervet::would_block_forever);
}

TEST(Barrier, HoldsFibersOfSeveralThreadsTogether) {
  int phase = 0;
  vervet::barrier b(6, [&]() noexcept { ++phase; });
  auto host = [&] {
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 3; ++i)
      all.push_back(vervet::spawn([&] {
        for (int j = 0; j < 100; ++j) {
          EXPECT_EQ(phase, j);
          b.arrive_and_wait();
        }
      }));
    vervet::joinall(all);
  };
  std::thread other(host);
  host();
  other.join();
  EXPECT_EQ(phase, 100);
}

TEST(Barrier, HoldsFullFibersTogether) {
  vervet::run({.workers = 2}, [] {
    int phase = 0;
    vervet::barrier b(8, [&] { ++phase; });
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(vervet::spawn([&] {
        for (int j = 0; j < 50; ++j) b.arrive_and_wait();
      }));
    vervet::joinall(all);
    EXPECT_EQ(phase, 50);
  });
}

}  // namespace
