#include <vervet/latch.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::latch in_static_storage(1);

TEST(Latch, RefusesWhatMakesNoSense) {
  EXPECT_THROW(vervet::latch(-1), std::invalid_argument);
  vervet::latch l(2);
  EXPECT_THROW(l.count_down(-1), std::logic_error);
  EXPECT_THROW(l.count_down(3), std::logic_error);
  l.count_down(2);
  l.count_down(0);
  EXPECT_THROW(l.count_down(), std::logic_error);
  EXPECT_TRUE(l.try_wait());
}

TEST(Latch, OpensAtZeroForAllInTheOrderTheyCame) {
  auto& l = in_static_storage;
  std::string order;
  std::vector<vervet::fiber<>> all;
  for (char c : {'a', 'b', 'c'})
    all.push_back(vervet::spawn([&, c] {
      EXPECT_TRUE(l.wait());
      order += c;
    }));
  vervet::yield();
  EXPECT_FALSE(l.try_wait());
  l.count_down();
  vervet::joinall(all);
  EXPECT_EQ(order, "abc");
  EXPECT_TRUE(l.wait());
  EXPECT_TRUE(vervet::latch(0).wait());
}

TEST(Latch, ArriveAndWaitWaitsForTheOthers) {
  vervet::latch l(3);
  int arrived = 0;
  auto work = [&] {
    ++arrived;
    EXPECT_TRUE(l.arrive_and_wait());
    EXPECT_EQ(arrived, 3);
  };
  vervet::joinall(vervet::spawn(work), vervet::spawn(work), vervet::spawn(work));
}

TEST(Latch, TimesOut) {
  vervet::latch l(1);
  EXPECT_FALSE(l.wait(2ms));
  EXPECT_FALSE(l.wait(0s));
  l.count_down();
  EXPECT_TRUE(l.wait(0s));
}

TEST(Latch, AKilledArrivalHasCountedAllTheSame) {
  vervet::latch l(2);
  auto victim = spawn_victim([&] { l.arrive_and_wait(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  EXPECT_FALSE(l.try_wait());
  EXPECT_TRUE(l.arrive_and_wait());
}

TEST(Latch, TellsOfADeadlock) {
  vervet::latch l(1);
  EXPECT_THROW(l.wait(), vervet::would_block_forever);
}

TEST(Latch, MayDieAsSoonAsWaitHasReturned) {
  for (int i = 0; i < 200; ++i) {
    auto l = std::make_unique<vervet::latch>(2);
    auto count = [p = l.get()] { p->count_down(); };
    std::thread a(count), b(count);
    if (i % 2 == 0)
      l->wait();
    else
      while (!l->try_wait()) std::this_thread::yield();
    l.reset();
    a.join();
    b.join();
  }
}

TEST(Latch, WaitsForFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::latch l(50);
    for (int i = 0; i < 50; ++i) vervet::spawn([&] { l.count_down(); });
    EXPECT_TRUE(l.wait(10s));
  });
}

TEST(Latch, CanBeObservedWithoutWaiting) {
  vervet::latch l(1);
  vervet::detail::selection told;
  vervet::detail::waiter w{&told};
  EXPECT_TRUE(l.observe(w));
  l.unobserve(w);
  EXPECT_TRUE(l.observe(w));
  l.count_down();
  EXPECT_TRUE(told.is_finished());
  EXPECT_FALSE(l.observe(w));
}

}  // namespace
