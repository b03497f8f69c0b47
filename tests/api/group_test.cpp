// Fibers that belong together.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/group.hpp>
#include <vervet/run.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::fiber;
using vervet::group;

std::vector<int> first(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

void for_ever() { vervet::sleep_for(1h); }

// -- Misuse

TEST(Group, AMemberThatJoinsItsGroupWouldBlockForever) {
  group g;
  bool thrown = false;
  g.spawn([&] {
    try {
      g.join();
    } catch (const vervet::would_block_forever&) {
      thrown = true;
    }
  });
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(thrown);
}

TEST(Group, JoinTellsOfADeadlock) {
  group g;
  g.spawn([&] { vervet_park(&g, nullptr, nullptr, VERVET_NEVER, 0); });
  EXPECT_THROW(g.join(), vervet::would_block_forever);
  EXPECT_TRUE(g.kill());
}

// -- Members

TEST(Group, MembersLeaveWhenTheyEnd) {
  group g;
  EXPECT_TRUE(g.empty());
  EXPECT_TRUE(g.join());
  auto one = g.spawn([] { return 1; });
  auto two = g.spawn(
      {.name = "two"}, [](int x) { return x; }, 2);
  EXPECT_EQ(g.size(), 2u);
  EXPECT_TRUE(g.contains(one));
  std::vector<fiber<>> members = g.fibers();
  ASSERT_EQ(members.size(), 2u);
  EXPECT_EQ(members[1].name(), "two");
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(g.empty());
  EXPECT_FALSE(g.contains(one));
  EXPECT_EQ(one.get() + two.get(), 3);
}

TEST(Group, AddedFibersAreMembersOnceUntilTheyEnd) {
  group g;
  auto f = vervet::spawn([] { vervet::yield(); });
  EXPECT_TRUE(g.add(f));
  EXPECT_TRUE(g.add(f));
  EXPECT_EQ(g.size(), 1u);
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(f.ready());
  g.add(f);
  EXPECT_TRUE(g.empty());
}

TEST(Group, DiscardedMembersRunOnOutsideOfIt) {
  group g;
  auto f = g.spawn([] { vervet::sleep_for(1ms); });
  EXPECT_TRUE(g.discard(f));
  EXPECT_FALSE(g.discard(f));
  EXPECT_TRUE(g.join());
  EXPECT_FALSE(f.ready());
  f.join();
}

TEST(Group, DiscardingTheLastMemberEndsJoin) {
  group g;
  auto f = g.spawn([] { vervet::sleep_for(1h); });
  auto joiner = vervet::spawn([&] { return g.join(); });
  vervet::yield();
  EXPECT_TRUE(g.discard(f));
  EXPECT_TRUE(joiner.join(1s));
  EXPECT_FALSE(f.ready());
  f.kill();
}

TEST(Group, FibersOutliveTheGroup) {
  fiber<int> f;
  {
    group g;
    f = g.spawn([] {
      vervet::yield();
      return 5;
    });
  }
  EXPECT_EQ(f.get(), 5);
}

TEST(Group, CallablesThatTakeATokenGetOne) {
  group g;
  auto f = g.spawn([](std::stop_token token) {
    try {
      for_ever();
    } catch (...) {
    }
    return token.stop_requested();
  });
  vervet::yield();
  g.kill();
  EXPECT_TRUE(f.get());
}

// -- Failures

TEST(Group, JoinRethrowsTheFirstErrorAlsoOfAMemberThatIsLongGone) {
  group g;
  stderr_of([&] {
    g.spawn([] { throw std::runtime_error("first"); });
    g.spawn([] { throw std::logic_error("second"); });
    vervet::yield();
  });
  EXPECT_TRUE(g.empty());
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(g.first_error());
  EXPECT_THROW(g.join({}, true), std::runtime_error);
  EXPECT_FALSE(g.first_error());
  EXPECT_NO_THROW(g.join({}, true));
}

TEST(Group, AnErrorThatAJoinWaitsForIsNotReported) {
  group g;
  std::string line = stderr_of([&] {
    g.spawn([] { throw std::runtime_error("told"); });
    EXPECT_THROW(g.join({}, true), std::runtime_error);
  });
  EXPECT_EQ(line, "");
  line = stderr_of([&] {
    g.spawn([] { throw std::runtime_error("lost"); });
    g.join();
  });
  EXPECT_NE(line.find("lost"), std::string::npos);
}

TEST(Group, AddedFibersErrorsCount) {
  group g;
  stderr_of([&] {
    g.add(vervet::spawn([] { throw std::runtime_error("added"); }));
    EXPECT_THROW(g.join({}, true), std::runtime_error);
  });
}

TEST(Group, OneMembersErrorLeavesTheOthersAlone) {
  group g;
  g.spawn([] { throw 1; });
  auto good = g.spawn([] {
    vervet::sleep_for(1ms);
    return 2;
  });
  EXPECT_THROW(g.join({}, true), int);
  EXPECT_EQ(good.get(), 2);
}

// -- Timeout and cancellation

TEST(Group, JoinGivesUpAtItsDeadline) {
  group g;
  g.spawn(for_ever);
  EXPECT_FALSE(g.join(1ms));
  EXPECT_FALSE(g.join(0ms, true));
  EXPECT_TRUE(g.kill());
}

TEST(Group, KillEndsAllAndIsNoError) {
  group g;
  bool unwound = false;
  auto started = g.spawn([&] {
    struct guard {
      bool& at;
      ~guard() { at = true; }
    } on_exit{unwound};
    for_ever();
  });
  vervet::yield();
  auto never = g.spawn([] { ADD_FAILURE() << "it must not begin"; });
  EXPECT_TRUE(g.kill());
  EXPECT_TRUE(unwound);
  EXPECT_TRUE(started.cancelled());
  EXPECT_TRUE(never.cancelled());
  EXPECT_NO_THROW(g.join({}, true));
}

TEST(Group, KillGivesTheExceptionAndMayNotWait) {
  group g;
  auto f = g.spawn(for_ever);
  vervet::yield();
  EXPECT_FALSE(g.kill(std::runtime_error("enough"), false));
  EXPECT_FALSE(f.ready());
  EXPECT_THROW(g.join({}, true), std::runtime_error);
}

TEST(Group, KillGivesUpAtItsDeadline) {
  group g;
  auto stubborn = g.spawn([] {
    for (int i = 0; i < 2; ++i) try {
        vervet::sleep_for(100ms);
      } catch (const vervet::fiber_exit&) {
      }
  });
  vervet::yield();
  EXPECT_FALSE(g.kill(1ms));
  EXPECT_FALSE(stubborn.ready());
  EXPECT_TRUE(g.kill());
}

TEST(Group, KillMeetsTheMembersThatDyingOnesSpawn) {
  group g;
  g.spawn([&] {
    try {
      for_ever();
    } catch (...) {
      g.spawn(for_ever);
      throw;
    }
  });
  vervet::yield();
  EXPECT_TRUE(g.kill());
  EXPECT_TRUE(g.empty());
}

TEST(Group, AMemberMayKillTheOthers) {
  group g;
  g.spawn(for_ever);
  auto killer = g.spawn([&] { return g.kill(); });
  g.spawn(for_ever);
  EXPECT_TRUE(killer.get());
  EXPECT_TRUE(g.empty());
}

TEST(Group, KilloneTouchesMembersOnly) {
  group g;
  auto mine = g.spawn(for_ever);
  auto other = vervet::spawn([] { vervet::sleep_for(1ms); });
  EXPECT_TRUE(g.killone(mine));
  EXPECT_TRUE(mine.cancelled());
  EXPECT_FALSE(g.killone(other));
  other.join();
  EXPECT_TRUE(other.successful());
}

TEST(Group, AKilledJoinerLeavesTheGroupAlone) {
  group g;
  auto member = g.spawn([] { vervet::sleep_for(2ms); });
  auto joiner = vervet::spawn([&] { g.join(); });
  vervet::yield();
  joiner.kill();
  EXPECT_TRUE(joiner.cancelled());
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(member.successful());
}

// -- apply, map

TEST(Group, ApplyCallsInAMember) {
  group g;
  EXPECT_EQ(g.apply([&](int x) { return x + static_cast<int>(g.size()); }, 1), 2);
  EXPECT_THROW(g.apply([] { throw 3; }), int);
  EXPECT_EQ(g.apply_async([] { return 4; }).get(), 4);
  EXPECT_NO_THROW(g.join({}, true));
}

TEST(Group, MapReturnsResultsInTheOrderOfItems) {
  group g;
  auto slow_first = [](int x) {
    vervet::sleep_for(std::chrono::milliseconds(5 - x));
    return x * x;
  };
  EXPECT_EQ(g.map(slow_first, std::vector{1, 2, 3, 4}), (std::vector{1, 4, 9, 16}));
  EXPECT_EQ(g.map(slow_first, first(3)), (std::vector{0, 1, 4}));
  EXPECT_EQ(g.map(slow_first, std::vector<int>()), std::vector<int>());
}

TEST(Group, MapPassesItemsAsTheyAreAndMayReturnNothing) {
  group g;
  std::vector<std::unique_ptr<int>> items;
  for (int i = 0; i < 3; ++i) items.push_back(std::make_unique<int>(i));
  g.map([](std::unique_ptr<int>& p) { ++*p; }, items);
  EXPECT_EQ(*items[2], 3);
  EXPECT_EQ(g.map(&std::string::size, std::vector<std::string>{"a", "bc"}),
            (std::vector<std::size_t>{1, 2}));
}

TEST(Group, MapLetsAllEndAndRethrowsTheFirstItemsError) {
  group g;
  int ended = 0;
  auto call = [&](int x) {
    vervet::sleep_for(std::chrono::milliseconds(4 - x));
    ++ended;
    if (x == 1) throw std::runtime_error("of item 1");
    if (x == 2) throw std::logic_error("of item 2");
    return x;
  };
  std::string line = stderr_of([&] {
    EXPECT_THROW(g.map(call, std::vector{0, 1, 2, 3}), std::runtime_error);
  });
  EXPECT_EQ(ended, 4);
  EXPECT_EQ(line, "");
}

TEST(Group, AMapThatIsCutLeavesNoCallBehind) {
  group g;
  auto mapper = vervet::spawn([&] { g.map([](int) { for_ever(); }, std::vector{1, 2, 3}); });
  vervet::yield();
  vervet::yield();
  EXPECT_EQ(g.size(), 3u);
  mapper.kill();
  EXPECT_TRUE(mapper.cancelled());
  EXPECT_TRUE(g.empty());
}

// -- Across hubs, on several cores

TEST(Group, MembersMayLiveOnSeveralThreads) {
  group g;
  std::atomic<int> ended{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t)
      threads.emplace_back([&] {
        std::vector<fiber<>> mine;
        for (int i = 0; i < 20; ++i)
          mine.push_back(g.spawn([&] {
            vervet::sleep_for(1ms);
            ++ended;
          }));
        vervet::joinall(mine);
      });
    while (ended == 0) vervet::sleep_for(100us);
    EXPECT_TRUE(g.join());
  }
  EXPECT_EQ(ended, 60);
}

TEST(Group, MapAndImapRunOnSeveralCores) {
  vervet::run({.workers = 2}, [] {
    group g;
    auto twice = [](int x) {
      if (x % 3 == 0) vervet::yield();
      return 2 * x;
    };
    auto results = g.map(twice, first(200));
    EXPECT_EQ(results[199], 398);
    int sum = 0;
    for (int x : g.imap(twice, first(200), 7)) sum += x;
    for (int x : g.imap_unordered(twice, first(200), 7)) sum += x;
    EXPECT_EQ(sum, 2 * 200 * 199);
    EXPECT_TRUE(g.join());
  });
}

// Whoever is killed, at whatever wait: every call has ended and the group is empty.
void kill_at_random(unsigned seed) {
  std::mt19937 random(seed);
  group g;
  std::atomic<int> alive{0};
  struct counted {
    std::atomic<int>& n;
    explicit counted(std::atomic<int>& c) : n(c) { ++n; }
    ~counted() { --n; }
  };
  std::vector<fiber<>> flows;
  for (unsigned i = 0; i < 20; ++i) {
    unsigned kind = random() % 3;
    flows.push_back(vervet::spawn([&g, &alive, kind] {
      counted here(alive);
      auto call = [&alive](int x) {
        counted inside(alive);
        for (int n = 0; n < x % 4; ++n) vervet::yield();
        return x;
      };
      if (kind == 0) g.map(call, first(6));
      if (kind == 1)
        for (int x : g.imap(call, first(9), 3)) static_cast<void>(x);
      if (kind == 2) g.join(10ms);
    }));
  }
  for (unsigned i = 0; i < 15; ++i) {
    for (unsigned n = random() % 3; n != 0; --n) vervet::yield();
    std::vector<fiber<>> members = g.fibers();
    if (random() % 2 == 0 && !members.empty())
      members[random() % members.size()].kill(std::exception_ptr(), false);
    else
      flows[random() % flows.size()].kill(std::exception_ptr(), false);
  }
  vervet::joinall(flows);
  EXPECT_TRUE(g.join(5s));
  EXPECT_EQ(alive, 0) << "seed " << seed;
}

TEST(Group, RandomKillsLeaveNothingBehind) {
  for (unsigned seed = 0; seed < 50; ++seed) kill_at_random(seed);
}

TEST(Group, RandomKillsOnSeveralCoresLeaveNothingBehind) {
  vervet::run({.workers = 2}, [] {
    for (unsigned seed = 0; seed < 20; ++seed) kill_at_random(seed);
  });
}

}  // namespace
