// A scope that its fibers do not outlive.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/run.hpp>
#include <vervet/task_group.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using vervet::fiber;
using vervet::group_cancelled;
using vervet::task_group;
using vervet::with_task_group;

void for_ever() { vervet::sleep_for(1h); }

struct error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// -- Misuse

TEST(TaskGroup, OnlyItsOwnFlowMayJoin) {
  task_group g;
  auto child = g.spawn([&] { EXPECT_THROW(g.join(), std::logic_error); });
  EXPECT_TRUE(g.join());
}

TEST(TaskGroup, ADeadlockKillsTheChildrenAndIsTold) {
  task_group g;
  auto child = g.spawn([&] { vervet_park(&g, nullptr, nullptr, VERVET_NEVER, 0); });
  EXPECT_THROW(g.join(), vervet::would_block_forever);
  EXPECT_TRUE(child.ready());
}

TEST(TaskGroup, SpawnAfterCancelThrows) {
  task_group g;
  g.cancel();
  EXPECT_THROW(g.spawn([] {}), group_cancelled);
}

// -- Success

TEST(TaskGroup, JoinWaitsForAllAndResultsAreTheFibers) {
  task_group g;
  auto a = g.spawn([] { return 1; });
  auto b = g.spawn(
      {.name = "b"}, [](std::string s) { return s; }, "x");
  g.spawn([&] { g.spawn([] { vervet::yield(); }); });
  EXPECT_EQ(g.size(), 3u);
  EXPECT_TRUE(g.join());
  EXPECT_EQ(g.size(), 0u);
  EXPECT_EQ(a.get(), 1);
  EXPECT_EQ(b.get(), "x");
  auto again = g.spawn([] { return 2; });
  EXPECT_TRUE(g.join());
  EXPECT_EQ(again.get(), 2);
}

TEST(TaskGroup, TheDestructorWaits) {
  bool ended = false;
  {
    task_group g;
    g.spawn([&] {
      vervet::sleep_for(1ms);
      ended = true;
    });
  }
  EXPECT_TRUE(ended);
}

TEST(TaskGroup, ALimitBoundsTheChildren) {
  task_group g(2);
  int running = 0, most = 0;
  for (int i = 0; i < 8; ++i)
    g.spawn([&] {
      most = std::max(most, ++running);
      vervet::yield();
      --running;
    });
  g.join();
  EXPECT_EQ(most, 2);
}

// -- Failure

TEST(TaskGroup, TheFirstFailureKillsTheSiblingsAndIsRethrown) {
  fiber<> sibling;
  std::string line = stderr_of([&] {
    task_group g;
    sibling = g.spawn(for_ever);
    auto unborn = g.spawn([&] { throw error("first"); });
    auto third = g.spawn([] { ADD_FAILURE() << "it must not begin"; });
    EXPECT_THROW(g.join(), error);
    EXPECT_TRUE(sibling.cancelled());
    EXPECT_TRUE(third.cancelled());
    EXPECT_TRUE(g.cancelled());
    EXPECT_THROW(g.join(), error);
  });
  EXPECT_EQ(line, "");
}

TEST(TaskGroup, AllFailuresAreThereInTheirOrder) {
  task_group g;
  g.spawn([] {
    try {
      for_ever();
    } catch (...) {
      throw std::logic_error("while it died");
    }
  });
  g.spawn([] { throw error("first"); });
  EXPECT_THROW(g.join(), error);
  std::vector<std::exception_ptr> all = g.errors();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_THROW(std::rethrow_exception(all[1]), std::logic_error);
}

TEST(TaskGroup, AFailureCutsTheBodysWait) {
  task_group g;
  g.spawn([] { throw error("boom"); });
  try {
    for_ever();
    FAIL();
  } catch (const group_cancelled& cut) {
    EXPECT_TRUE(cut.is_of(&g));
    EXPECT_THROW(std::rethrow_exception(cut.cause()), error);
  }
  vervet::sleep_for(1us);  // once
  EXPECT_THROW(g.join(), error);
}

TEST(TaskGroup, AfterJoinThrewTheBodyMayWait) {
  task_group g;
  g.spawn([] { throw error("boom"); });
  EXPECT_THROW(g.join(), error);
  vervet::sleep_for(1us);
}

TEST(TaskGroup, AnErrorThatNobodyIsToldOfIsReported) {
  std::string line = stderr_of([&] {
    task_group g;
    g.spawn([] { throw error("untold"); });
  });
  EXPECT_NE(line.find("untold"), std::string::npos) << line;
  EXPECT_EQ(line.find('\n'), line.size() - 1) << line;
}

TEST(TaskGroup, AChildKilledByItselfIsNoFailure) {
  task_group g;
  auto one = g.spawn(for_ever);
  auto two = g.spawn([] {
    vervet::sleep_for(1ms);
    return 2;
  });
  one.kill();
  EXPECT_TRUE(g.join());
  EXPECT_EQ(two.get(), 2);
  auto three = g.spawn(for_ever);
  vervet::yield();
  three.kill(error("given"));
  EXPECT_THROW(g.join(), error);
}

TEST(TaskGroup, AnExceptionOfTheBodyKillsTheChildren) {
  fiber<> child;
  bool unwound = false;
  EXPECT_THROW(
      {
        task_group g;
        child = g.spawn([&] {
          try {
            for_ever();
          } catch (...) {
            vervet::yield();
            unwound = true;
            throw;
          }
        });
        vervet::yield();
        throw error("body");
      },
      error);
  EXPECT_TRUE(child.cancelled());
  EXPECT_TRUE(unwound);
}

// -- with_task_group

TEST(TaskGroup, WithTaskGroupRethrowsWhatCutItsBody) {
  EXPECT_THROW(with_task_group([](task_group& g) {
                 g.spawn([] { throw error("boom"); });
                 for_ever();
               }),
               error);
  int ended = 0;
  with_task_group([&](task_group& g) {
    for (int i = 0; i < 3; ++i) g.spawn([&] { ++ended; });
  });
  EXPECT_EQ(ended, 3);
}

TEST(TaskGroup, CancelEndsBodyAndChildrenWithoutAnError) {
  fiber<> child;
  with_task_group([&](task_group& g) {
    child = g.spawn(for_ever);
    g.spawn([&] { g.cancel(); });
    for_ever();
    ADD_FAILURE();
  });
  EXPECT_TRUE(child.cancelled());
}

TEST(TaskGroup, AGroupsCutIsNotAnothersBusiness) {
  EXPECT_THROW(with_task_group([](task_group& outer) {
                 with_task_group([&](task_group& inner) {
                   inner.spawn(for_ever);
                   outer.spawn([] { throw error("outer's"); });
                   for_ever();
                 });
                 ADD_FAILURE();
               }),
               error);
}

TEST(TaskGroup, AnInnerFailureIsTheOuterChildsFailure) {
  fiber<> sibling;
  EXPECT_THROW(with_task_group([&](task_group& outer) {
                 sibling = outer.spawn(for_ever);
                 outer.spawn([] {
                   task_group inner;
                   inner.spawn([] { throw error("inner's"); });
                   for_ever();  // leaves it by group_cancelled, of which the cause counts
                 });
                 outer.join();
               }),
               error);
  EXPECT_TRUE(sibling.cancelled());
}

// -- Timeout and cancellation

TEST(TaskGroup, JoinGivesUpAtItsDeadlineAndTheChildrenRunOn) {
  task_group g;
  auto child = g.spawn([] { vervet::sleep_for(5ms); });
  EXPECT_FALSE(g.join(1ms));
  EXPECT_FALSE(child.ready());
  EXPECT_TRUE(g.join());
  EXPECT_TRUE(child.successful());
}

TEST(TaskGroup, AKilledParentKillsItsChildrenAndWaitsForThem) {
  std::string trace;
  auto parent = vervet::spawn([&] {
    task_group g;
    g.spawn([&] {
      try {
        for_ever();
      } catch (...) {
        vervet::sleep_for(1ms);
        trace += "child ";
        throw;
      }
    });
    try {
      g.join();
    } catch (const vervet::fiber_exit&) {
      trace += "parent";
      throw;
    }
  });
  vervet::yield();
  vervet::yield();
  parent.kill();
  EXPECT_TRUE(parent.cancelled());
  EXPECT_EQ(trace, "child parent");
}

TEST(TaskGroup, AParentKilledInTheDestructorNoticesAfterwards) {
  fiber<> child;
  bool reached = false;
  auto parent = vervet::spawn([&] {
    {
      task_group g;
      child = g.spawn(for_ever);
    }
    reached = true;
    for_ever();
  });
  vervet::yield();
  vervet::yield();
  parent.kill();
  EXPECT_TRUE(child.cancelled());
  EXPECT_TRUE(reached);
  EXPECT_TRUE(parent.cancelled());
}

TEST(TaskGroup, AScopeOutsideCutsIt) {
  vervet_scope outside{};
  outside.deadline = vervet::deadline(1ms).monotonic();
  outside.raise = [](vervet_scope*) { throw error("too late"); };
  vervet_scope_enter(&outside);
  fiber<> child;
  EXPECT_THROW(with_task_group([&](task_group& g) { child = g.spawn(for_ever); }), error);
  vervet_scope_leave(&outside);
  EXPECT_TRUE(child.cancelled());
}

TEST(TaskGroup, AKillWhileSpawnWaitsForRoom) {
  auto parent = vervet::spawn([&] {
    task_group g(1);
    g.spawn(for_ever);
    g.spawn(for_ever);
  });
  vervet::yield();
  parent.kill();
  EXPECT_TRUE(parent.cancelled());
}

TEST(TaskGroup, AnotherThreadMayCancelAndSpawn) {
  task_group g;
  std::atomic<bool> done{false};
  g.spawn(for_ever);
  std::jthread other([&] {
    auto f = g.spawn([] { return 1; });
    EXPECT_EQ(f.get(), 1);
    g.cancel();
    done = true;
  });
  EXPECT_THROW(for_ever(), group_cancelled);
  EXPECT_TRUE(g.join());
  other.join();
}

TEST(TaskGroup, AThreadWithoutFibersMayOwnOne) {
  std::jthread([] {
    EXPECT_THROW(with_task_group([](task_group& g) {
                   g.spawn([] { throw error("boom"); });
                   for_ever();
                 }),
                 error);
  }).join();
}

// Trees of groups whose children fail, are killed and time out: nobody is left.
struct counted {
  static inline std::atomic<int> alive{0};
  counted() { ++alive; }
  ~counted() { --alive; }
};

void tree(unsigned seed, int depth) {
  counted here;
  std::mt19937 random(seed);
  with_task_group(
      [&](task_group& g) {
        std::vector<fiber<>> children;
        for (unsigned i = 0, n = random() % 4; i < n; ++i)
          children.push_back(g.spawn([seed = static_cast<unsigned>(random()), depth] {
            counted inside;
            std::mt19937 own(seed);
            for (unsigned k = own() % 3; k != 0; --k) vervet::yield();
            if (own() % 8 == 0) throw error("child");
            if (depth != 0) tree(seed + 1, depth - 1);
          }));
        for (unsigned k = random() % 4; k != 0; --k) vervet::yield();
        if (!children.empty() && random() % 4 == 0)
          children[random() % children.size()].kill(std::exception_ptr(), false);
        if (random() % 8 == 0) g.cancel();
        if (random() % 8 == 0) throw error("body");
      },
      random() % 3);
}

void kill_at_random(unsigned seed) {
  std::mt19937 random(seed);
  std::vector<fiber<>> roots;
  for (unsigned i = 0; i < 5; ++i)
    roots.push_back(vervet::spawn([seed = static_cast<unsigned>(random())] {
      try {
        tree(seed, 3);
      } catch (const error&) {
      }
    }));
  for (unsigned i = 0; i < 4; ++i) {
    for (unsigned k = random() % 4; k != 0; --k) vervet::yield();
    roots[random() % roots.size()].kill(std::exception_ptr(), false);
  }
  EXPECT_TRUE(vervet::joinall(roots, 10s)) << "seed " << seed;
  EXPECT_EQ(counted::alive, 0) << "seed " << seed;
}

TEST(TaskGroup, RandomTreesAndKillsLeaveNobody) {
  stderr_of([] {  // what fails while the body throws is reported
    for (unsigned seed = 0; seed < 100; ++seed) kill_at_random(seed);
  });
}

TEST(TaskGroup, RandomTreesAndKillsOnSeveralCoresLeaveNobody) {
  stderr_of([] {
    vervet::run({.workers = 2}, [] {
      for (unsigned seed = 0; seed < 40; ++seed) kill_at_random(seed);
    });
  });
}

}  // namespace
