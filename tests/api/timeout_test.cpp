#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include <vervet/run.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::gate;
using clock_type = std::chrono::steady_clock;

TEST(TimeoutDeathTest, AnotherFlowMayNotUseIt) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  auto misuse = [] {
    vervet::timeout mine(1h);
    vervet::spawn([&] { mine.cancel(); }).join();
  };
  EXPECT_DEATH(misuse(), "timeout was used by another fiber or thread");
}

TEST(Timeout, CutsAWaitAndIsSpent) {
  gate never;
  vervet::timeout limit(2ms);
  auto start = clock_type::now();
  try {
    never.wait();
    ADD_FAILURE();
  } catch (const vervet::timeout_expired& e) {
    EXPECT_TRUE(e.is(limit));
  }
  EXPECT_GE(clock_type::now() - start, 2ms);
  EXPECT_TRUE(limit.expired());
  vervet::sleep_for(1ms);
  EXPECT_FALSE(never.wait(1ms));
}

TEST(Timeout, LeavesAloneWhatEndsInTime) {
  {
    vervet::timeout limit(50ms);
    vervet::sleep_for(1ms);
    EXPECT_FALSE(limit.expired());
  }
  vervet::sleep_for(1ms);
}

TEST(Timeout, ThatHasPassedCutsTheNextWait) {
  vervet::timeout limit(0ms);
  EXPECT_THROW(vervet::yield(), vervet::timeout_expired);
  EXPECT_NO_THROW(vervet::yield());
  limit.reschedule(-1s);
  EXPECT_THROW(vervet::this_fiber::check(), vervet::timeout_expired);
}

TEST(Timeout, IsNotAnException) {
  gate never;
  vervet::timeout limit(0ms);
  bool swallowed = false;
  try {
    try {
      never.wait();
    } catch (const std::exception&) {
      swallowed = true;
    }
  } catch (const vervet::cut_short&) {
  }
  EXPECT_FALSE(swallowed);
}

TEST(Timeout, TheInnerComesBeforeTheOuterIfBothAreDue) {
  vervet::timeout outer(1ms);
  vervet::timeout inner(2ms);
  auto until = clock_type::now() + 3ms;
  while (clock_type::now() < until) {
  }
  try {
    vervet::yield();
    ADD_FAILURE();
  } catch (const vervet::timeout_expired& e) {
    EXPECT_TRUE(e.is(inner));
    EXPECT_FALSE(e.is(outer));
  }
  try {
    vervet::yield();
    ADD_FAILURE();
  } catch (const vervet::timeout_expired& e) {
    EXPECT_TRUE(e.is(outer));
    EXPECT_FALSE(e.is(inner));
  }
}

TEST(Timeout, TheOuterThrowsInsideOfTheInnerOne) {
  gate never;
  vervet::timeout outer(1ms);
  bool passed = false;
  try {
    vervet::with_timeout(1h, [&] { never.wait(); });
  } catch (const vervet::timeout_expired& e) {
    passed = e.is(outer);
  }
  EXPECT_TRUE(passed);
}

TEST(Timeout, MayBeCancelledAndRescheduled) {
  gate never;
  vervet::timeout limit(0ms);
  limit.cancel();
  vervet::sleep_for(1ms);
  limit.reschedule(1ms);
  EXPECT_THROW(never.wait(), vervet::timeout_expired);
  EXPECT_TRUE(limit.expired());
  limit.reschedule(1ms);
  EXPECT_FALSE(limit.expired());
  EXPECT_THROW(never.wait(), vervet::timeout_expired);
  limit.reschedule(1h);
  EXPECT_FALSE(never.wait(1ms));
}

TEST(Timeout, IsOfItsFiberAlone) {
  gate never;
  auto timed = vervet::spawn([&] {
    vervet::timeout limit(1ms);
    EXPECT_THROW(never.wait(), vervet::timeout_expired);
  });
  auto other = vervet::spawn([&] { EXPECT_FALSE(never.wait(10ms)); });
  EXPECT_TRUE(vervet::joinall({timed, other}, 10s));
  timed.get();
  other.get();
}

TEST(Timeout, WorksInOsThreadsAndFullFibers) {
  auto body = [] {
    gate never;
    EXPECT_FALSE(vervet::with_timeout(1ms, [&] { never.wait(); }));
  };
  std::thread(body).join();
  vervet::run({.workers = 2}, [&] {
    body();
    vervet::spawn(body).get();
  });
}

TEST(Timeout, AKillPassesThrough) {
  gate never;
  auto f = vervet::spawn([&] { vervet::with_timeout(1h, [&] { never.wait(); }); });
  vervet::yield();
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.cancelled());
}

TEST(WithTimeout, ReturnsTheResultOrNothing) {
  auto quick = [] { return std::make_unique<int>(4); };
  auto slow = [] {
    vervet::sleep_for(1h);
    return 5;
  };
  EXPECT_EQ(**vervet::with_timeout(1h, quick), 4);
  EXPECT_EQ(vervet::with_timeout(1ms, slow), std::nullopt);
  EXPECT_EQ(vervet::with_timeout(1ms, slow, -1), -1);
  EXPECT_EQ(vervet::with_timeout(
                1h, [] { return std::string("in time"); }, "late"),
            "in time");
  EXPECT_TRUE(vervet::with_timeout(1h, [] {}));
  EXPECT_THROW(vervet::with_timeout(1h, [] { throw 1; }), int);
}

TEST(Shield, PostponesKillsAndTimeouts) {
  gate never;
  std::string seen;
  auto f = vervet::spawn([&] {
    vervet::timeout limit(0ms);
    try {
      vervet::shield closed;
      vervet::sleep_for(2ms);
      seen += "slept ";
      EXPECT_THROW(
          {
            vervet::timeout inside(1ms);
            never.wait();
          },
          vervet::timeout_expired);
    } catch (const vervet::cut_short&) {
      seen += "too early ";
    }
    try {
      never.wait();
    } catch (const vervet::timeout_expired& e) {
      seen += e.is(limit) ? "timeout " : "other ";
    }
    try {
      never.wait();
    } catch (const vervet::fiber_exit&) {
      seen += "kill";
    }
  });
  vervet::yield();
  EXPECT_FALSE(f.kill(0ms));
  f.join();
  EXPECT_EQ(seen, "slept timeout kill");
}

TEST(StopScope, AStopRequestedBeforeCutsTheFirstWait) {
  std::stop_source source;
  source.request_stop();
  vervet::stop_scope scope(source.get_token());
  try {
    vervet::yield();
    ADD_FAILURE();
  } catch (const vervet::stop_requested& e) {
    EXPECT_TRUE(e.is(scope));
  }
  EXPECT_NO_THROW(vervet::yield());
}

TEST(StopScope, AStopCutsTheWaitItMeets) {
  gate never, begun;
  std::stop_source source;
  auto body = [&] {
    vervet::stop_scope scope(source.get_token());
    begun.open();
    EXPECT_THROW(never.wait(), vervet::stop_requested);
  };
  auto f = vervet::spawn(body);
  vervet::yield();
  source.request_stop();
  f.get();
  source = std::stop_source();
  std::thread stopper([&] {
    gate pause;
    pause.wait(1ms);
    source.request_stop();
  });
  body();
  stopper.join();
}

TEST(StopScope, SleepTellsWhetherItWasStopped) {
  std::stop_source source;
  EXPECT_TRUE(vervet::sleep_for(1ms, source.get_token()));
  auto f = vervet::spawn([&] { return vervet::sleep_for(1h, source.get_token()); });
  vervet::yield();
  source.request_stop();
  EXPECT_FALSE(f.get());
  auto g = vervet::spawn([&] { return vervet::sleep_for(1h, std::stop_token()); });
  vervet::yield();
  g.kill();
  EXPECT_TRUE(g.cancelled());
}

TEST(StopScope, TakesTheTokenOfItsFiber) {
  auto f = vervet::spawn([](std::stop_token stop) { return vervet::sleep_for(1h, stop); });
  vervet::yield();
  EXPECT_TRUE(f.kill());
}

}  // namespace
