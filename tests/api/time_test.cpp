// Deadlines, sleeps, yields.
#include <gtest/gtest.h>

#include <vector>

#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;

using clock_type = std::chrono::steady_clock;

TEST(Time, SleepsAtLeastAsLongAsAsked) {
  auto start = clock_type::now();
  vervet::sleep_for(10ms);
  EXPECT_GE(clock_type::now() - start, 10ms);
  vervet::spawn([] { vervet::sleep_for(std::chrono::duration<double, std::milli>(2.5)); }).join();
  EXPECT_GE(clock_type::now() - start, 12500us);
  vervet::sleep_until(start + 20ms);
  EXPECT_GE(clock_type::now() - start, 20ms);
  auto wall = std::chrono::system_clock::now() + 5ms;
  vervet::sleep_until(wall);
  EXPECT_GE(std::chrono::system_clock::now(), wall);
  vervet::sleep_for(-1s);
  vervet::sleep_until(start);
}

TEST(Time, SleepersSleepAtTheSameTime) {
  auto start = clock_type::now();
  std::vector<vervet::fiber<>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(vervet::spawn([] { vervet::sleep_for(50ms); }));
  vervet::joinall(all);
  EXPECT_LT(clock_type::now() - start, 5s);
}

TEST(Time, ADeadlineIsNeverUnlessItSaysWhen) {
  EXPECT_EQ(vervet::deadline().monotonic(), VERVET_NEVER);
  EXPECT_EQ(vervet::deadline::never(), vervet::deadline());
  EXPECT_LT(vervet::deadline(1h), vervet::deadline());
}

TEST(Time, ADurationCountsFromWhereItBecameADeadline) {
  vervet::deadline soon = 2ms;
  vervet::sleep_for(3ms);
  EXPECT_LE(soon, vervet::deadline(0ms));
  EXPECT_EQ(vervet::deadline(clock_type::time_point(5ns)).monotonic(), 5);
}

TEST(Time, DurationsBeyondTheClockAreNever) {
  EXPECT_EQ(vervet::deadline(std::chrono::hours::max()).monotonic(), VERVET_NEVER);
  EXPECT_EQ(vervet::deadline(std::chrono::duration<double>(1e300)).monotonic(), VERVET_NEVER);
  vervet::deadline past = -1h;
  EXPECT_LE(past, vervet::deadline(0ns));
}

TEST(Time, TimePointsBeyondTheClockAreNeverOrPast) {
  using vervet::deadline;
  EXPECT_EQ(deadline(std::chrono::sys_seconds::max()), deadline::never());
  EXPECT_EQ(deadline(std::chrono::system_clock::time_point::max()), deadline::never());
  EXPECT_EQ(deadline(clock_type::time_point::max()), deadline::never());
  std::chrono::sys_seconds long_ago(-10'000'000'000s);
  EXPECT_LT(deadline(long_ago), deadline(1s));
  EXPECT_LT(deadline(std::chrono::sys_seconds::min()), deadline(1s));
  EXPECT_LT(deadline(std::chrono::system_clock::time_point::min()), deadline(1s));
  EXPECT_LT(deadline(clock_type::time_point::min()), deadline(1s));
  vervet::sleep_until(long_ago);
  auto sleeper = vervet::spawn([] { vervet::sleep_until(std::chrono::sys_seconds::max()); });
  EXPECT_FALSE(sleeper.join(1ms));
  EXPECT_TRUE(sleeper.kill());
}

TEST(Time, AKillCutsSleepsAndYields) {
  auto sleeper = vervet::spawn([] { vervet::sleep_for(1h); });
  auto until = vervet::spawn([] { vervet::sleep_until(std::chrono::system_clock::now() + 1h); });
  auto spinner = vervet::spawn([] {
    for (;;) vervet::yield();
  });
  vervet::yield();
  EXPECT_TRUE(vervet::killall(std::vector<vervet::fiber<>>{sleeper, until, spinner}, 1s));
}

}  // namespace
