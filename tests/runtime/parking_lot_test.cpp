#include "runtime/parking_lot.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <thread>
#include <vector>

namespace vervet {
namespace {

using lot::outcome;

// Waits until someone sleeps on the address: the lot itself is asked, no time is guessed.
void await_sleepers(const void* address) {
  while (!lot::maybe_waited_on(address)) std::this_thread::yield();
}

TEST(ParkingLot, DoesNotSleepIfValidateRefuses) {
  int address = 0;
  auto refuse = [] { return false; };
  EXPECT_EQ(lot::park({.address = &address, .validate = refuse}), outcome::invalid);
  EXPECT_FALSE(lot::maybe_waited_on(&address));
}

TEST(ParkingLot, UnparkWithoutSleepersWakesNobody) {
  int address = 0;
  EXPECT_EQ(lot::unpark(&address, 5), 0u);
}

TEST(ParkingLot, AnOsThreadIsWokenThroughIt) {
  int address = 0;
  std::thread sleeper([&] { EXPECT_EQ(lot::park({.address = &address}), outcome::unparked); });
  await_sleepers(&address);
  while (lot::unpark(&address, 1) == 0) std::this_thread::yield();
  sleeper.join();
}

TEST(ParkingLot, TimesOutNotBeforeItsDeadline) {
  int address = 0;
  deadline until = after(20'000'000);
  EXPECT_EQ(lot::park({.address = &address, .until = until}), outcome::timed_out);
  EXPECT_GE(now(), until);
  EXPECT_FALSE(lot::maybe_waited_on(&address));
}

TEST(ParkingLot, WakesOnlyWhoSharesABit) {
  int address = 0;
  std::thread sleeper(
      [&] { EXPECT_EQ(lot::park({.address = &address, .bits = 2}), outcome::unparked); });
  await_sleepers(&address);
  EXPECT_EQ(lot::unpark(&address, 1, 4), 0u);
  while (lot::unpark(&address, 1, 2) == 0) std::this_thread::yield();
  sleeper.join();
}

TEST(ParkingLot, RequeuedSleepersWakeAtTheirNewAddress) {
  int from = 0, to = 0;
  std::thread sleeper([&] { EXPECT_EQ(lot::park({.address = &from}), outcome::unparked); });
  await_sleepers(&from);
  while (lot::requeue(&from, &to, 0, 1, {}) != 1) std::this_thread::yield();
  EXPECT_EQ(lot::unpark(&from, 1), 0u);
  EXPECT_EQ(lot::unpark(&to, 1), 1u);
  sleeper.join();
}

TEST(ParkingLot, BeforeSleepRunsOnceTheSleeperCanBeFound) {
  int address = 0;
  unsigned woken = 0;
  auto wake_myself = [&] {
    woken = lot::unpark(&address, 1);
    return true;
  };
  EXPECT_EQ(lot::park({.address = &address, .before_sleep = wake_myself}), outcome::unparked);
  EXPECT_EQ(woken, 1u);
}

// Every wake has one winner: as many sleepers return unparked as unpark() counted, whatever the races
// between wakers and deadlines.
TEST(ParkingLot, CountsOfWakersAndSleepersAgree) {
  constexpr int threads = 4;
  constexpr int rounds = 2000;
  int address = 0;
  std::atomic<int> unparked{0}, counted{0}, running{threads};
  std::vector<std::thread> sleepers;
  for (int t = 0; t < threads; ++t)
    sleepers.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int i = 0; i < rounds; ++i) {
        deadline until = after(random() % 20000);
        if (lot::park({.address = &address, .until = until}) == outcome::unparked) ++unparked;
      }
      --running;
    });
  while (running > 0) counted += static_cast<int>(lot::unpark(&address, 2));
  for (std::thread& t : sleepers) t.join();
  EXPECT_EQ(unparked, counted);
}

}  // namespace
}  // namespace vervet
