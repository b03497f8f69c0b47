#include <vervet/async_result.hpp>

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::async_result;

TEST(AsyncResult, CanBeSetOnlyOnce) {
  async_result<int> r;
  r.set_value(1);
  EXPECT_THROW(r.set_value(2), std::logic_error);
  EXPECT_THROW(r.set_exception(std::runtime_error("late")), std::logic_error);
  EXPECT_EQ(r.get(), 1);
  EXPECT_THROW(async_result<>().set_exception(nullptr), std::invalid_argument);
}

TEST(AsyncResult, StaysEmptyIfTheValueCannotBeMade) {
  struct picky {
    explicit picky(bool fail) {
      if (fail) throw std::runtime_error("no");
    }
  };
  async_result<picky> r;
  EXPECT_THROW(r.set_value(true), std::runtime_error);
  EXPECT_FALSE(r.ready());
  r.set_value(false);
  EXPECT_TRUE(r.successful());
}

TEST(AsyncResult, GetReturnsTheValueEachTime) {
  async_result<std::string> r;
  auto f = vervet::spawn([&] { return r.get(); });
  vervet::yield();
  EXPECT_FALSE(r.ready());
  r.set_value(3, 'x');
  EXPECT_EQ(f.get(), "xxx");
  EXPECT_EQ(&r.get(), &r.get());
  EXPECT_TRUE(r.successful());
  EXPECT_FALSE(r.exception());
}

TEST(AsyncResult, HoldsReferencesVoidAndWhatOnlyMoves) {
  int x = 0;
  async_result<int&> ref;
  ref.set_value(x);
  ref.get() = 5;
  EXPECT_EQ(x, 5);
  async_result<> nothing;
  nothing.set_value();
  nothing.get();
  async_result<std::unique_ptr<int>> moves;
  moves.set_value(std::make_unique<int>(3));
  std::unique_ptr<int> p = std::move(moves).get();
  EXPECT_EQ(*p, 3);
}

TEST(AsyncResult, GetThrowsTheExceptionEachTime) {
  async_result<int> r;
  r.set_exception(std::runtime_error("boom"));
  EXPECT_TRUE(r.ready());
  EXPECT_FALSE(r.successful());
  EXPECT_TRUE(r.exception() != nullptr);
  EXPECT_TRUE(r.wait());
  EXPECT_THROW(r.get(), std::runtime_error);
  EXPECT_THROW(r.get(), std::runtime_error);
}

TEST(AsyncResult, TakesTheOutcomeOfAFiber) {
  auto good = vervet::spawn([] { return 4; });
  async_result<long> value;
  value(good);  // as a link target
  EXPECT_EQ(value.get(), 4);
  auto bad = vervet::spawn([]() -> int { throw std::runtime_error("boom"); });
  async_result<long> error;
  testing::internal::CaptureStderr();
  std::ref(error)(bad);
  testing::internal::GetCapturedStderr();
  EXPECT_THROW(error.get(), std::runtime_error);
  async_result<> done;
  done.set_from(value);
  EXPECT_TRUE(done.successful());
}

TEST(AsyncResult, WhatCutsSetFromIsNotTheOutcome) {
  async_result<int> source, target;
  auto victim = spawn_victim([&] { target.set_from(source); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  EXPECT_FALSE(target.ready());
}

TEST(AsyncResult, GetThrowsOnTimeoutAndWaitReturnsFalse) {
  async_result<int> r;
  EXPECT_THROW(r.get(1ms), vervet::timed_out);
  EXPECT_FALSE(r.wait(1ms));
  r.set_value(1);
  EXPECT_EQ(r.get(0s), 1);
}

TEST(AsyncResult, AKilledGetLeavesItUsable) {
  async_result<int> r;
  auto victim = spawn_victim([&] { r.get(); });
  auto stays = vervet::spawn([&] { return r.get(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  r.set_value(2);
  EXPECT_EQ(stays.get(), 2);
}

TEST(AsyncResult, CrossesThreads) {
  for (int i = 0; i < 200; ++i) {
    auto r = std::make_unique<async_result<int>>();
    std::thread setter([p = r.get(), i] { p->set_value(i); });
    EXPECT_EQ(vervet::spawn([&] { return r->get(); }).get(), i);
    r.reset();  // perhaps before set_value() has returned
    setter.join();
  }
}

TEST(AsyncResult, OneOfManySettersWins) {
  vervet::run({.workers = 2}, [] {
    async_result<int> r;
    std::vector<vervet::fiber<bool>> setters;
    for (int i = 0; i < 20; ++i)
      setters.push_back(vervet::spawn([&r, i] {
        try {
          r.set_value(i);
          return true;
        } catch (const std::logic_error&) {
          return false;
        }
      }));
    int won = -1, count = 0;
    for (int i = 0; i < 20; ++i)
      if (setters[static_cast<unsigned>(i)].get()) won = i, ++count;
    EXPECT_EQ(count, 1);
    EXPECT_EQ(r.get(), won);
  });
}

TEST(AsyncResult, CanBeObservedWithoutWaiting) {
  async_result<> r;
  vervet::detail::selection told;
  vervet::detail::waiter w{&told};
  EXPECT_TRUE(r.observe(w));
  r.unobserve(w);
  EXPECT_TRUE(r.observe(w));
  r.set_value();
  EXPECT_TRUE(told.is_finished());
  EXPECT_FALSE(r.observe(w));
}

}  // namespace
