// What becomes of light fibers' stacks when they have ended.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include "runtime/sanitizer.h"
#include "vervet/abi.h"

namespace vervet {
namespace {

constexpr int64_t millisecond = 1'000'000;

// Touches four pages or so.
void* use_stack(void* argument) {
  volatile char used[16 * 1024];
  for (unsigned i = 0; i < sizeof used; i += 4096) used[i] = 1;
  return argument;
}

void spawn_and_join(int count) {
  std::vector<vervet_fiber*> fibers(count);
  for (vervet_fiber*& f : fibers) ASSERT_EQ(vervet_spawn(&f, nullptr, use_stack, nullptr), 0);
  for (vervet_fiber* f : fibers) {
    EXPECT_EQ(vervet_join(f, nullptr, VERVET_NEVER), 0);
    vervet_release(f);
  }
}

long resident_pages() {
  long all = 0, resident = 0;
  FILE* file = std::fopen("/proc/self/statm", "r");
  EXPECT_EQ(std::fscanf(file, "%ld %ld", &all, &resident), 2);
  std::fclose(file);
  return resident;
}

TEST(LightStacks, StayWarmForTheNextBurst) {
  if (sanitizer::told_of_switches) GTEST_SKIP() << "the sanitizer keeps memory of its own";
  constexpr int count = 5'000;
  spawn_and_join(count);
  long after_one = resident_pages();
  for (int i = 0; i < 10; ++i) spawn_and_join(count);
  EXPECT_LT(resident_pages() - after_one, count / 2);
}

// The host waits, and has nothing to do.
TEST(LightStacks, GoBackWhenTheyAreNotNeededForAWhile) {
  if (sanitizer::told_of_switches) GTEST_SKIP() << "the sanitizer keeps memory of its own";
  constexpr int count = 5'000;
  spawn_and_join(count);
  long after_burst = resident_pages();
  vervet_fiber* sleeper = nullptr;
  auto sleep = [](void*) -> void* {
    vervet_sleep_for(2'500 * millisecond);
    return nullptr;
  };
  ASSERT_EQ(vervet_spawn(&sleeper, nullptr, sleep, nullptr), 0);
  EXPECT_EQ(vervet_join(sleeper, nullptr, VERVET_NEVER), 0);
  vervet_release(sleeper);
  EXPECT_GT(after_burst - resident_pages(), count);
}

void* sleep_for_ever(void*) {
  vervet_sleep_until(VERVET_NEVER);
  return nullptr;
}

// What it keeps warm is not lost with the fibers that it abandons.
TEST(LightStacks, GoBackWhenTheirThreadEnds) {
  if (sanitizer::told_of_switches) GTEST_SKIP() << "the sanitizer keeps memory of its own";
  constexpr int count = 1'000;
  auto burst = [] {
    std::thread([] {
      EXPECT_EQ(vervet_spawn(nullptr, nullptr, sleep_for_ever, nullptr), 0);
      spawn_and_join(count);
    }).join();
  };
  burst();
  long after_one = resident_pages();
  for (int i = 0; i < 10; ++i) burst();
  EXPECT_LT(resident_pages() - after_one, 2 * count);
}

// A hub whose fibers are others' does not collect their stacks.
TEST(LightStacks, OfFibersSpawnedFromOutsideAreReused) {
  if (sanitizer::told_of_switches) GTEST_SKIP() << "the sanitizer keeps memory of its own";
  constexpr int batch = 500, batches = 40;
  vervet_hub* hub = vervet_hub_here();
  vervet_spawn_options there{};
  there.size = sizeof there;
  there.hub = hub;
  std::thread spawner;
  std::atomic<int> ended{0};
  long growth = 0;
  auto body = [&] {
    long at_first = 0;
    for (int i = 0; i < batches; ++i) {
      std::vector<vervet_fiber*> fibers(batch);
      for (vervet_fiber*& f : fibers) EXPECT_EQ(vervet_spawn(&f, &there, use_stack, nullptr), 0);
      for (vervet_fiber* f : fibers) {
        ended += vervet_join(f, nullptr, VERVET_NEVER) == 0;
        vervet_release(f);
      }
      if (i == 4) at_first = resident_pages();
    }
    growth = resident_pages() - at_first;
  };
  spawner = std::thread(body);
  while (ended != batch * batches) vervet_sleep_for(millisecond);
  spawner.join();
  EXPECT_LT(growth, 5 * batch);
  vervet_hub_release(hub);
}

}  // namespace
}  // namespace vervet
