// joinall with options.
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

#include <vervet/run.hpp>
#include <vervet/vervet.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::gate;

TEST(Joinall, OfNothingReturnsAtOnce) {
  std::vector<vervet::fiber<>> none;
  EXPECT_TRUE(vervet::joinall(none));
  EXPECT_TRUE(vervet::joinall(none, {.count = 3, .raise_error = true}));
  EXPECT_TRUE(vervet::killall(none));
}

TEST(Joinall, ReturnsWhenAsManyHaveEnded) {
  gate never;
  std::vector<vervet::fiber<>> all{vervet::spawn([&] { never.wait(); }),
                                   vervet::spawn([] {}),
                                   {},
                                   vervet::spawn([] { vervet::yield(); })};
  EXPECT_TRUE(vervet::joinall(all, {.count = 2}));
  EXPECT_TRUE(all[1].has_ended() && all[3].has_ended());
  EXPECT_FALSE(all[0].ready());
  EXPECT_FALSE(vervet::joinall(all, {.timeout = 1ms, .count = 3}));
  EXPECT_FALSE(vervet::joinall(all, {.timeout = 1ms}));
  never.open();
  EXPECT_TRUE(vervet::joinall(all, {.timeout = 10s}));
}

TEST(Joinall, RethrowsTheFirstFailureThatIsSeenWhileTheOthersRunOn) {
  gate never;
  std::vector<vervet::fiber<>> all{
      vervet::spawn([&] { never.wait(); }),
      vervet::spawn([&] {
        never.wait();
        throw std::out_of_range("second");
      }),
      vervet::spawn([] { throw std::runtime_error("first"); }),
  };
  testing::internal::CaptureStderr();
  EXPECT_THROW(vervet::joinall(all, {.raise_error = true}), std::runtime_error);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_FALSE(all[0].ready());
  never.open();
  testing::internal::CaptureStderr();
  EXPECT_TRUE(vervet::joinall(all));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("second"), std::string::npos);
}

TEST(Joinall, DoesNotTakeAKilledFiberForAFailure) {
  gate never;
  auto f = vervet::spawn([&] { never.wait(); });
  vervet::yield();
  f.kill(vervet::fiber_exit(), false);
  EXPECT_TRUE(vervet::joinall({f}, {.raise_error = true}));
}

TEST(Joinall, JoinsFibersOfSeveralThreads) {
  gate begun;
  std::vector<vervet::fiber<>> all(2);
  std::thread other([&] {
    all[0] = vervet::spawn([] { vervet::sleep_for(2ms); });
    begun.open();
    all[0].join();
  });
  begun.wait();
  all[1] = vervet::spawn([] {});
  EXPECT_TRUE(vervet::joinall(all, {.timeout = 10s, .raise_error = true}));
  other.join();
}

TEST(Joinall, InsideRunWaitsForAsMany) {
  vervet::run({.workers = 2}, [] {
    gate never;
    std::vector<vervet::fiber<>> all{vervet::spawn([&] { never.wait(); })};
    for (int i = 0; i < 20; ++i) all.push_back(vervet::spawn([] { vervet::yield(); }));
    EXPECT_TRUE(vervet::joinall(all, {.count = 20}));
    EXPECT_FALSE(all[0].ready());
    never.open();
    EXPECT_TRUE(vervet::joinall(all));
  });
}

}  // namespace
