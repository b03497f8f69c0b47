#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include <vervet/gather.hpp>
#include <vervet/run.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::gate;

TEST(Gather, GivesResultsInTheOrderGiven) {
  auto slow = vervet::spawn([] {
    vervet::sleep_for(2ms);
    return 1;
  });
  int x = 9;
  auto results = vervet::gather(
      slow, [] { return std::string("b"); }, [] {}, [&]() -> int& { return x; },
      [] { return std::make_unique<int>(5); });
  static_assert(std::is_same_v<decltype(results),
                               std::tuple<int, std::string, std::monostate,
                                          std::reference_wrapper<int>, std::unique_ptr<int>>>);
  EXPECT_EQ(std::get<0>(results), 1);
  EXPECT_EQ(std::get<1>(results), "b");
  EXPECT_EQ(&std::get<3>(results).get(), &x);
  EXPECT_EQ(*std::get<4>(results), 5);
  EXPECT_EQ(slow.get(), 1);
}

TEST(Gather, TakesRangesOfFibersAndOfCallables) {
  std::vector<vervet::fiber<int>> fibers;
  for (int i = 0; i < 5; ++i)
    fibers.push_back(vervet::spawn([i] {
      for (int j = i; j < 5; ++j) vervet::yield();
      return i;
    }));
  EXPECT_EQ(vervet::gather(fibers), (std::vector<int>{0, 1, 2, 3, 4}));
  std::vector<std::function<int()>> calls{[] { return 1; }, [] { return 2; }};
  EXPECT_EQ(vervet::gather(calls), (std::vector<int>{1, 2}));
  EXPECT_TRUE(vervet::gather(std::vector<vervet::fiber<int>>()).empty());
  std::vector<vervet::fiber<>> none(1, vervet::spawn([] {}));
  EXPECT_EQ(vervet::gather(none).size(), 1u);
}

TEST(Gather, RethrowsTheFirstErrorWhileTheOthersRunOn) {
  gate open;
  auto other = vervet::spawn([&] {
    open.wait();
    return 3;
  });
  testing::internal::CaptureStderr();
  EXPECT_THROW(vervet::gather(other, []() -> int { throw std::out_of_range("x"); }),
               std::out_of_range);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(other.ready());
  open.open();
  EXPECT_EQ(other.get(), 3);
}

TEST(Gather, OfAKilledFiberThrowsFiberExit) {
  auto f = vervet::spawn_later(1h, [] {});
  f.kill();
  EXPECT_THROW(vervet::gather(f), vervet::fiber_exit);
}

TEST(Gather, ReturnsExceptionsIfAsked) {
  testing::internal::CaptureStderr();
  auto [a, b, c] = vervet::gather(
      vervet::return_exceptions, [] { return 1; }, []() -> int { throw std::runtime_error("b"); },
      [] {});
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(a.value(), 1);
  EXPECT_FALSE(b);
  EXPECT_THROW(b.value(), std::runtime_error);
  EXPECT_TRUE(b.error());
  EXPECT_TRUE(c.has_value());
  std::vector<vervet::fiber<>> killed{vervet::spawn_later(1h, [] {}), vervet::spawn([] {})};
  killed[0].kill();
  auto all = vervet::gather(vervet::return_exceptions, killed);
  EXPECT_THROW(all[0].value(), vervet::fiber_exit);
  EXPECT_TRUE(all[1]);
}

TEST(Gather, OfARangeThrowsAtItsDeadline) {
  std::vector<vervet::fiber<>> slow{vervet::spawn([] { vervet::sleep_for(1h); })};
  EXPECT_THROW(vervet::gather(slow, 1ms), vervet::timed_out);
  EXPECT_FALSE(vervet::with_timeout(1ms, [&] { vervet::gather(slow); }));
  vervet::killall(slow);
}

TEST(Gather, IsCutAndLeavesItsFibersRunning) {
  gate open;
  auto worker = vervet::spawn([&] { open.wait(); });
  auto gatherer = vervet::spawn([&] { vervet::gather(worker, worker); });
  vervet::yield();
  EXPECT_TRUE(gatherer.kill());
  EXPECT_FALSE(worker.ready());
  open.open();
  EXPECT_TRUE(worker.join());
}

TEST(Gather, OfFibersOfAnotherThreadAndInsideRun) {
  auto f = vervet::spawn([] {
    vervet::sleep_for(1ms);
    return 6;
  });
  int seen = 0;
  std::thread other([&, f] { seen = std::get<0>(vervet::gather(f)); });
  f.join();
  other.join();
  EXPECT_EQ(seen, 6);
  int sum = vervet::run({.workers = 2}, [] {
    std::vector<std::function<int()>> calls;
    for (int i = 0; i < 50; ++i) calls.push_back([i] { return i; });
    int total = 0;
    for (int i : vervet::gather(calls)) total += i;
    return total;
  });
  EXPECT_EQ(sum, 49 * 50 / 2);
}

}  // namespace
