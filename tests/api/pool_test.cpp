// A group with room for so many.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/pool.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::fiber;
using vervet::pool;

std::vector<int> first(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

void for_ever() { vervet::sleep_for(1h); }

TEST(Pool, SpawningIntoAPoolOfNoneWouldBlockForever) {
  pool p(0);
  EXPECT_TRUE(p.full());
  EXPECT_THROW(p.spawn([] {}), vervet::would_block_forever);
}

TEST(Pool, ASizeBeyondAllNumbersIsRefused) { EXPECT_THROW(pool(SIZE_MAX), std::invalid_argument); }

TEST(Pool, SpawnWaitsForRoom) {
  pool p(2);
  std::string trace;
  auto work = [&](char name) {
    trace += name;
    vervet::yield();
    trace += static_cast<char>(name + 'A' - 'a');
  };
  EXPECT_EQ(p.free_count(), 2u);
  p.spawn(work, 'a');
  p.spawn(work, 'b');
  EXPECT_TRUE(p.full());
  EXPECT_EQ(trace, "");
  p.spawn(work, 'c');
  EXPECT_EQ(trace.substr(0, 3), "abA");
  EXPECT_LE(p.size(), p.capacity());
  EXPECT_TRUE(p.join());
  EXPECT_EQ(trace.size(), 6u);
  EXPECT_EQ(p.free_count(), 2u);
}

TEST(Pool, AGroupThatIsAPoolWaitsForRoomToo) {
  pool p(1);
  vervet::group& g = p;
  auto first = g.spawn([] { vervet::sleep_for(1ms); });
  g.spawn([] {});
  EXPECT_TRUE(first.ready());
  EXPECT_TRUE(p.join());
}

TEST(Pool, NoMoreThanItsSizeRunAtATime) {
  pool p(3);
  unsigned running = 0, most = 0;
  auto call = [&](int x) {
    most = std::max(most, ++running);
    vervet::sleep_for(std::chrono::microseconds(50 * (x % 5)));
    --running;
    return x;
  };
  EXPECT_EQ(p.map(call, first(30)).back(), 29);
  EXPECT_EQ(most, 3u);
  EXPECT_EQ(p.free_count(), 3u);
}

TEST(Pool, TrySpawnDoesNotWait) {
  pool p(1);
  auto first = p.try_spawn([] { return 1; });
  ASSERT_TRUE(first);
  EXPECT_FALSE(p.try_spawn([] { return 2; }));
  EXPECT_EQ(first.get(), 1);
  EXPECT_TRUE(p.try_spawn([] { return 3; }));
  p.join();
}

TEST(Pool, TrySpawnUntilGivesUpAtItsDeadline) {
  pool p(1);
  auto first = p.spawn(for_ever);
  EXPECT_FALSE(p.try_spawn_until(1ms, [] {}));
  EXPECT_FALSE(p.wait_available(1ms));
  EXPECT_FALSE(p.add(vervet::spawn([] {}), 1ms));
  first.kill();
  EXPECT_TRUE(p.wait_available(1s));
  EXPECT_TRUE(p.try_spawn_until(1s, [] {}));
  p.join();
}

TEST(Pool, FailedKilledAndDiscardedMembersLeaveRoom) {
  pool p(1);
  EXPECT_THROW(p.spawn([] { throw 1; }).get(), int);
  EXPECT_EQ(p.free_count(), 1u);
  p.spawn(for_ever).kill();
  EXPECT_EQ(p.free_count(), 1u);
  auto f = p.spawn([] { vervet::yield(); });
  EXPECT_TRUE(p.discard(f));
  EXPECT_EQ(p.free_count(), 1u);
  f.join();
  EXPECT_EQ(p.free_count(), 1u);
  EXPECT_THROW(p.spawn({.stack_size = 1}, [] {}), std::system_error);
  EXPECT_EQ(p.free_count(), 1u);
}

TEST(Pool, AddedFibersTakeRoomUntilTheyEnd) {
  pool p(1);
  auto f = vervet::spawn([] { vervet::yield(); });
  EXPECT_TRUE(p.add(f));
  EXPECT_TRUE(p.full());
  EXPECT_TRUE(p.add(f));
  EXPECT_TRUE(p.join());
  EXPECT_TRUE(p.add(f));
  EXPECT_EQ(p.free_count(), 1u);
}

TEST(Pool, AMemberThatAppliesCallsItself) {
  pool p(1);
  EXPECT_EQ(p.apply([&] { return p.apply([] { return 6; }); }), 6);
}

TEST(Pool, AKilledSpawnerTakesNoRoomAndLosesNone) {
  pool p(1);
  auto holder = p.spawn(for_ever);
  bool began = false;
  auto first = vervet::spawn([&] { p.spawn([&] { began = true; }); });
  auto second = vervet::spawn([&] { p.spawn([] {}); });
  vervet::yield();
  first.kill();
  EXPECT_TRUE(first.cancelled());
  holder.kill();
  second.join();
  EXPECT_TRUE(p.join());
  EXPECT_FALSE(began);
  EXPECT_EQ(p.free_count(), 1u);
}

TEST(Pool, SpawnersOnSeveralThreadsShareTheRoom) {
  pool p(2);
  std::atomic<int> running{0}, most{0}, ended{0};
  auto work = [&] {
    int now = ++running;
    for (int seen = most; seen < now && !most.compare_exchange_weak(seen, now);) {
    }
    vervet::sleep_for(20us);
    --running;
    ++ended;
  };
  auto spawn_some = [&] {
    std::vector<fiber<>> mine;
    for (int i = 0; i < 30; ++i) mine.push_back(p.spawn(work));
    vervet::joinall(mine);
  };
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) threads.emplace_back(spawn_some);
  }
  vervet::run({.workers = 2}, spawn_some);
  EXPECT_EQ(ended, 120);
  EXPECT_LE(most, 2);
  EXPECT_EQ(p.free_count(), 2u);
}

void kill_at_random(unsigned seed) {
  std::mt19937 random(seed);
  pool p(3);
  std::vector<fiber<>> spawners;
  for (unsigned i = 0; i < 12; ++i)
    spawners.push_back(vervet::spawn([&p] {
      for (int n = 0; n < 4; ++n)
        p.spawn([n] {
          for (int k = 0; k < n; ++k) vervet::yield();
        });
    }));
  for (unsigned i = 0; i < 12; ++i) {
    for (unsigned n = random() % 3; n != 0; --n) vervet::yield();
    std::vector<fiber<>> members = p.fibers();
    if (random() % 2 == 0 && !members.empty())
      members[random() % members.size()].kill(std::exception_ptr(), false);
    else
      spawners[random() % spawners.size()].kill(std::exception_ptr(), false);
  }
  vervet::joinall(spawners);
  EXPECT_TRUE(p.join(5s));
  EXPECT_EQ(p.free_count(), 3u) << "seed " << seed;
}

TEST(Pool, RandomKillsLoseNoRoom) {
  for (unsigned seed = 0; seed < 50; ++seed) kill_at_random(seed);
}

TEST(Pool, RandomKillsOnSeveralCoresLoseNoRoom) {
  vervet::run({.workers = 2}, [] {
    for (unsigned seed = 0; seed < 20; ++seed) kill_at_random(seed);
  });
}

}  // namespace
