// spawn, its options, and how a handle tells of the end: results, links.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>

#include <vervet/run.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::counted;
using test::gate;

TEST(Spawn, RefusesAFullFiberOutsideOfRun) {
  auto held = std::make_shared<counted>();
  EXPECT_THROW(vervet::spawn({.kind = vervet::fiber_kind::full}, [held] {}), std::system_error);
  held = nullptr;
  EXPECT_EQ(counted::alive, 0);
}

TEST(Spawn, MakesALightFiberInsideRunIfAsked) {
  vervet::run({.workers = 2}, [] {
    pthread_t host = pthread_self();
    auto light = vervet::spawn({.kind = vervet::fiber_kind::light}, [] { return pthread_self(); });
    EXPECT_EQ(light.get(), host);
    auto full = vervet::spawn([] { return pthread_self(); });
    EXPECT_NE(full.get(), host);
  });
}

TEST(Spawn, OnTheHubOfAnotherThreadRunsThere) {
  vervet_hub* hub = nullptr;
  gate ready, done;
  std::thread other([&] {
    hub = vervet_hub_here();
    ready.open();
    done.wait();
  });
  ready.wait();
  auto f = vervet::spawn({.hub = hub}, [] { return std::this_thread::get_id(); });
  EXPECT_TRUE(f.get() == other.get_id());
  auto killed = vervet::spawn({.start = 1h, .hub = hub}, [] {});
  EXPECT_TRUE(killed.kill());
  done.open();
  other.join();
  vervet_hub_release(hub);
}

TEST(Spawn, NamesAndNumbersFibers) {
  auto f = vervet::spawn({.name = "resolver"}, [] { return vervet::this_fiber::number(); });
  auto g = vervet::spawn([] {});
  EXPECT_EQ(f.name(), "resolver");
  EXPECT_EQ(g.name(), "");
  EXPECT_EQ(f.get(), f.number());
  EXPECT_LT(f.number(), g.number());
  g.join();
}

TEST(Spawn, LaterBeginsWhenItsTimeHasCome) {
  std::string order;
  auto start = std::chrono::steady_clock::now();
  auto late = vervet::spawn_later(
      20ms, [&](char c) { order += c; }, 'c');
  auto early = vervet::spawn_later(start + 5ms, [&] { order += 'b'; });
  auto now = vervet::spawn([&] { order += 'a'; });
  EXPECT_TRUE(vervet::joinall({late, early, now}, 10s));
  EXPECT_EQ(order, "abc");
  EXPECT_GE(std::chrono::steady_clock::now() - start, 20ms);
}

TEST(Spawn, GivesAStopTokenToWhoTakesOneFirst) {
  auto f =
      vervet::spawn([](std::stop_token token, int a) { return token.stop_possible() ? a : 0; }, 4);
  EXPECT_EQ(f.get(), 4);
  auto g = vervet::spawn([](int a) { return a; }, 5);
  EXPECT_EQ(g.get(), 5);
}

TEST(Fiber, TellsHowItEnded) {
  auto good = vervet::spawn([] { return 1; });
  auto bad = vervet::spawn([]() -> int { throw std::runtime_error("bad"); });
  auto gone = vervet::spawn([]() -> int { throw vervet::fiber_exit(); });
  EXPECT_FALSE(good.ready() || good.successful() || good.cancelled());
  EXPECT_FALSE(good.exception());
  testing::internal::CaptureStderr();
  vervet::joinall(good, bad, gone);
  std::string told = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(told.begin(), told.end(), '\n'), 1) << told;
  EXPECT_TRUE(good.ready() && good.successful() && !good.cancelled() && !good.exception());
  EXPECT_TRUE(bad.ready() && !bad.successful() && !bad.cancelled());
  EXPECT_THROW(std::rethrow_exception(bad.exception()), std::runtime_error);
  EXPECT_TRUE(gone.ready() && !gone.successful() && gone.cancelled());
  EXPECT_THROW(std::rethrow_exception(gone.exception()), vervet::fiber_exit);
}

TEST(Fiber, GetThrowsAtItsDeadline) {
  gate open;
  auto f = vervet::spawn([&] {
    open.wait();
    return 2;
  });
  EXPECT_THROW(f.get(1ms), vervet::timed_out);
  EXPECT_THROW(f.get(0ms), vervet::timed_out);
  open.open();
  EXPECT_EQ(f.get(10s), 2);
  EXPECT_EQ(f.get(0ms), 2);
}

TEST(Fiber, DetachedRunsOn) {
  bool ran = false;
  auto f = vervet::spawn([&] { ran = true; });
  f.detach();
  EXPECT_FALSE(f);
  vervet::yield();
  EXPECT_TRUE(ran);
}

TEST(Fiber, ACutThatNobodyCollectsIsReportedByItsName) {
  gate never;
  auto f = vervet::spawn([&] {
    vervet::timeout limit(0ms);
    never.wait();
  });
  testing::internal::CaptureStderr();
  f.join();
  EXPECT_NE(testing::internal::GetCapturedStderr().find("a timeout has expired"),
            std::string::npos);
}

TEST(Fiber, LinksAreCalledInTheirOrderAndMayWait) {
  std::string order;
  auto f = vervet::spawn([&] {
    order += 'f';
    return 7;
  });
  f.link([&](vervet::fiber<int> ended) {
    EXPECT_TRUE(ended.ready());
    order += static_cast<char>('0' + ended.get());
    vervet::sleep_for(1ms);
    order += 'z';
  });
  f.link_exception([&](vervet::fiber<int>) { order += '!'; });
  f.link_value([&](const vervet::fiber<int>&) { order += 'b'; });
  vervet::fiber<>(f).link([&](vervet::fiber<>) { order += 'c'; });
  f.join();
  EXPECT_EQ(order, "f7bc");
  vervet::sleep_for(5ms);
  EXPECT_EQ(order, "f7bcz");
}

TEST(Fiber, LinksOfAFailureCollectIt) {
  std::string seen;
  auto f = vervet::spawn([] { throw std::runtime_error("oops"); });
  f.link_value([&](auto) { seen += "value"; });
  f.link_exception([&](vervet::fiber<> ended) {
    try {
      ended.get();
    } catch (const std::exception& e) {
      seen += e.what();
    }
  });
  testing::internal::CaptureStderr();
  f.join();
  vervet::yield();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(seen, "oops");
}

TEST(Fiber, LinksOfAFailureDieBeforeTheirFiber) {
  // The result dies with the last share of the fiber, which a link has.
  struct noted {
    std::string* to;
    std::string what;
    explicit noted(std::string* t, std::string w) : to(t), what(std::move(w)) {}
    noted(noted&& other) noexcept : to(std::exchange(other.to, nullptr)), what(other.what) {}
    ~noted() {
      if (to != nullptr) *to += what;
    }
  };
  std::string died;
  {
    auto f = vervet::spawn([&] { return noted(&died, "fiber"); });
    f.link([last = noted(&died, "link ")](auto) {});
  }
  vervet::sleep_for(1ms);
  EXPECT_EQ(died, "link fiber");
}

TEST(Fiber, LinksOfAnEndedOneAreCalledSoon) {
  int calls = 0;
  auto f = vervet::spawn([] {});
  f.join();
  f.link([&](vervet::fiber<>) { ++calls; });
  f.link_exception([&](vervet::fiber<>) { calls += 10; });
  EXPECT_EQ(calls, 0);
  vervet::yield();
  EXPECT_EQ(calls, 1);
}

TEST(Fiber, LinksOfAKilledOneThatNeverBeganAreCalled) {
  int calls = 0;
  auto f = vervet::spawn_later(1h, [] {});
  f.link_exception([&](vervet::fiber<> ended) { calls += ended.cancelled(); });
  f.kill();
  vervet::yield();
  EXPECT_EQ(calls, 1);
}

TEST(Fiber, UnlinkedCallbacksAreNotCalledAndDie) {
  int calls = 0;
  auto f = vervet::spawn([] {});
  auto link = f.link([&, held = counted()](vervet::fiber<>) { ++calls; });
  EXPECT_EQ(counted::alive, 1);
  EXPECT_TRUE(link.unlink());
  EXPECT_EQ(counted::alive, 0);
  EXPECT_FALSE(link.unlink());
  auto late = f.link([&](vervet::fiber<>) { ++calls; });
  f.join();
  EXPECT_FALSE(late.unlink());
  vervet::yield();
  EXPECT_EQ(calls, 1);
}

TEST(Fiber, LinksRunOnTheHubOfTheEndingFiber) {
  vervet::fiber<> f;
  gate go, made, called;
  std::thread::id host, caller;
  std::thread other([&] {
    host = std::this_thread::get_id();
    f = vervet::spawn([&] { go.wait(); });
    made.open();
    called.wait();
  });
  made.wait();
  f.link([&](vervet::fiber<>) {
    caller = std::this_thread::get_id();
    called.open();
  });
  go.open();
  other.join();
  EXPECT_TRUE(caller == host);
}

TEST(Fiber, LinksOfFullFibersAreAllCalled) {
  std::atomic<int> calls{0};
  vervet::run({.workers = 2}, [&] {
    for (int i = 0; i < 50; ++i) {
      auto f = vervet::spawn([] { vervet::yield(); });
      for (int j = 0; j < 4; ++j)
        f.link([&](vervet::fiber<> ended) {
          ended.get();
          ++calls;
        });
    }
  });
  EXPECT_EQ(calls, 200);
}

}  // namespace
