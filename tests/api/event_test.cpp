#include <vervet/event.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::event in_static_storage;

TEST(Event, CanBeInStaticStorageAndDoesNotWaitWhenSet) {
  EXPECT_FALSE(in_static_storage.is_set());
  in_static_storage.set();
  in_static_storage.set();
  EXPECT_TRUE(in_static_storage.wait());
  in_static_storage.clear();
  EXPECT_FALSE(in_static_storage.is_set());
}

TEST(Event, WakesAllWaitersInTheOrderTheyCame) {
  vervet::event e;
  std::string order;
  std::vector<vervet::fiber<>> all;
  for (char c : {'a', 'b', 'c'})
    all.push_back(vervet::spawn([&, c] {
      EXPECT_TRUE(e.wait());
      order += c;
    }));
  vervet::yield();
  e.set();
  EXPECT_EQ(order, "");  // they run when this flow waits
  vervet::joinall(all);
  EXPECT_EQ(order, "abc");
}

TEST(Event, AWaiterIsTrueEvenIfClearedBeforeItRuns) {
  vervet::event e;
  auto f = vervet::spawn([&] { return e.wait(1s); });
  vervet::yield();
  e.set();
  e.clear();
  EXPECT_TRUE(f.get());
  EXPECT_FALSE(e.is_set());
}

TEST(Event, ArrivalsAfterClearWaitForTheNextSet) {
  vervet::event e;
  int passed = 0;
  auto twice = vervet::spawn([&] {
    e.wait();
    ++passed;
    e.wait();
    ++passed;
  });
  vervet::yield();
  e.set();
  e.clear();
  vervet::yield();
  EXPECT_EQ(passed, 1);
  e.set();
  twice.join();
  EXPECT_EQ(passed, 2);
}

TEST(Event, TimesOutAndLeavesTheOthersWaiting) {
  vervet::event e;
  auto stays = vervet::spawn([&] { return e.wait(); });
  EXPECT_FALSE(e.wait(5ms));
  EXPECT_FALSE(e.wait(0s));
  e.set();
  EXPECT_TRUE(stays.get());
}

TEST(Event, AKilledWaiterLeavesTheQueue) {
  vervet::event e;
  auto victim = spawn_victim([&] { e.wait(); });
  auto stays = vervet::spawn([&] { return e.wait(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  e.set();
  EXPECT_TRUE(stays.get());
}

TEST(Event, TellsOfADeadlock) {
  vervet::event e;
  std::thread([&] { EXPECT_FALSE(e.wait(1ms)); }).join();
  auto f = vervet::spawn([&] { e.wait(); });
  EXPECT_THROW(e.wait(), vervet::would_block_forever);
  e.set();
  f.join();
}

TEST(Event, WorksBetweenThreadsAndTheirFibers) {
  vervet::event ping, pong;
  std::thread other([&] {
    auto a = vervet::spawn([&] {
      for (int i = 0; i < 100; ++i) {
        ping.wait();
        ping.clear();
        pong.set();
      }
    });
    a.join();
  });
  for (int i = 0; i < 100; ++i) {
    ping.set();
    EXPECT_TRUE(pong.wait(10s));
    pong.clear();
  }
  other.join();
}

TEST(Event, MayDieAsSoonAsWaitHasReturned) {
  for (int i = 0; i < 300; ++i) {
    auto e = std::make_unique<vervet::event>();
    std::thread setter([p = e.get()] { p->set(); });
    e->wait();
    e.reset();
    setter.join();
  }
}

TEST(Event, WakesFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::event e;
    std::vector<vervet::fiber<bool>> all;
    for (int i = 0; i < 50; ++i) all.push_back(vervet::spawn([&] { return e.wait(10s); }));
    vervet::yield();
    e.set();
    for (auto& f : all) EXPECT_TRUE(f.get());
  });
}

TEST(Event, CanBeObservedWithoutWaiting) {
  vervet::event e;
  vervet::detail::selection told;
  vervet::detail::waiter w{&told, 7};
  EXPECT_TRUE(e.observe(w));
  e.unobserve(w);
  e.unobserve(w);
  EXPECT_TRUE(e.observe(w));
  e.set();
  EXPECT_TRUE(told.is_finished());
  EXPECT_EQ(told.index(), 7u);
  EXPECT_FALSE(e.observe(w));
}

}  // namespace
