// The handle of a fiber: results, exceptions, reports.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include <vervet/vervet.hpp>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;

TEST(Fiber, SpawnReportsWhatItCannotDo) {
  EXPECT_THROW(vervet::spawn({.stack_size = 1}, [] {}), std::system_error);
}

TEST(Fiber, GetReturnsTheResultEachTime) {
  auto f = vervet::spawn([](int a, const std::string& b) { return b + std::to_string(a); }, 4, "x");
  EXPECT_EQ(f.get(), "x4");
  EXPECT_EQ(f.get(), "x4");
  auto copy = f;
  EXPECT_EQ(copy.get(), "x4");
  EXPECT_TRUE(copy == f);
}

TEST(Fiber, GetOnAGivenUpHandleMovesTheResult) {
  std::unique_ptr<int> p = vervet::spawn([] { return std::make_unique<int>(3); }).get();
  EXPECT_EQ(*p, 3);
}

TEST(Fiber, GetReturnsReferencesAsTheyAre) {
  int x = 0;
  auto f = vervet::spawn([&]() -> int& { return x; });
  f.get() = 5;
  EXPECT_EQ(x, 5);
}

TEST(Fiber, ArgumentsAreMovedInAndDieWithTheFiberNotWithTheHandle) {
  auto token = std::make_shared<int>(1);
  std::weak_ptr<int> seen = token;
  auto f = vervet::spawn([](std::shared_ptr<int> p) { return *p; }, std::move(token));
  EXPECT_FALSE(seen.expired());
  f.join();
  EXPECT_TRUE(seen.expired());
  EXPECT_EQ(f.get(), 1);
}

TEST(Fiber, MembersCanBeSpawned) {
  struct counter {
    int n = 0;
    void add(int by) { n += by; }
  } c;
  vervet::spawn(&counter::add, &c, 3).join();
  EXPECT_EQ(c.n, 3);
}

TEST(Fiber, JoinNeverThrowsTheFibersException) {
  auto f = vervet::spawn([]() -> int { throw std::runtime_error("boom"); });
  std::string line = stderr_of([&] { EXPECT_NO_THROW(f.join()); });
  EXPECT_NE(line.find("ended with an uncaught exception: boom"), std::string::npos) << line;
  EXPECT_TRUE(f.has_ended());
  EXPECT_THROW(f.get(), std::runtime_error);
  EXPECT_THROW(f.get(), std::runtime_error);
  EXPECT_THROW(vervet::fiber<>(f).get(), std::runtime_error);
}

TEST(Fiber, TheReportNamesTheFiber) {
  auto f = vervet::spawn({.name = "a name that is too long"}, [] { throw 5; });
  std::string line = stderr_of([&] { f.join(); });
  EXPECT_NE(line.find("(a name that is )"), std::string::npos) << line;
}

TEST(Fiber, AnExceptionThatAGetWaitsForIsNotReported) {
  auto f = vervet::spawn([] { throw std::logic_error("expected"); });
  std::string line = stderr_of([&] { EXPECT_THROW(f.get(), std::logic_error); });
  EXPECT_EQ(line, "");
}

TEST(Fiber, OneFibersExceptionLeavesTheOthersAlone) {
  auto bad = vervet::spawn([] { throw 1; });
  auto good = vervet::spawn([] {
    vervet::sleep_for(1ms);
    return 2;
  });
  stderr_of([&] { vervet::joinall(bad, good); });
  EXPECT_EQ(good.get(), 2);
}

TEST(Fiber, JoinallTakesRangesAndPacks) {
  int ended = 0;
  auto work = [&] {
    vervet::yield();
    ++ended;
  };
  std::vector<vervet::fiber<>> range{vervet::spawn(work), vervet::spawn(work), {}};
  vervet::joinall(range);
  EXPECT_EQ(ended, 2);
  auto a = vervet::spawn([&] { return ++ended; });
  auto b = vervet::spawn(work);
  vervet::joinall(a, b);
  EXPECT_EQ(ended, 4);
}

TEST(Fiber, JoinallTellsWhetherAllHaveEnded) {
  auto quick = vervet::spawn([] { return 1; });
  auto slow = vervet::spawn([] { vervet::sleep_for(80ms); });
  EXPECT_FALSE(vervet::joinall({quick, slow}, 5ms));
  EXPECT_TRUE(quick.has_ended());
  EXPECT_FALSE(slow.join(1ms));
  EXPECT_FALSE(slow.join(std::chrono::system_clock::now() + 1ms));
  std::vector<vervet::fiber<>> both{quick, slow};
  EXPECT_TRUE(vervet::joinall(both, 10s));
}

TEST(Fiber, FibersThatSpawnAndJoinFibersDeeply) {
  struct tree {
    static int size(int depth) {
      if (depth == 0) return 1;
      auto left = vervet::spawn(size, depth - 1);
      auto right = vervet::spawn(size, depth - 1);
      return 1 + left.get() + right.get();
    }
    static int chain(int left) { return left == 0 ? 0 : 1 + vervet::spawn(chain, left - 1).get(); }
  };
  EXPECT_EQ(tree::size(9), 1023);
  EXPECT_EQ(tree::chain(1000), 1000);
}

TEST(Fiber, CaughtExceptionsFollowTheirFibers) {
  auto body = [](const char* name) {
    for (int i = 0; i < 10; ++i) {
      try {
        throw std::runtime_error(name);
      } catch (...) {
        vervet::yield();
        try {
          throw;
        } catch (const std::runtime_error& e) {
          vervet::sleep_for(100us);
          if (e.what() != std::string(name)) return false;
        }
      }
      if (std::current_exception()) return false;
    }
    return true;
  };
  std::vector<vervet::fiber<bool>> all;
  for (const char* name : {"a", "b", "c", "d"}) all.push_back(vervet::spawn(body, name));
  for (auto& f : all) EXPECT_TRUE(f.get());
}

TEST(Fiber, AFiberSpawnedInACatchBlockStartsWithoutAnException) {
  bool clean = false;
  try {
    throw 1;
  } catch (...) {
    auto look = [&] { clean = !std::current_exception() && std::uncaught_exceptions() == 0; };
    vervet::spawn(look).join();
    EXPECT_TRUE(std::current_exception() != nullptr);
  }
  EXPECT_TRUE(clean);
}

TEST(Fiber, ADestructorMayWaitWhileItsFiberUnwinds) {
  struct waits {
    int& seen;
    ~waits() {
      vervet::yield();
      seen = std::uncaught_exceptions();
    }
  };
  int unwinding = -1, elsewhere = -1;
  auto a = vervet::spawn([&] {
    try {
      waits w{unwinding};
      throw 1;
    } catch (int) {
    }
  });
  auto b = vervet::spawn([&] { elsewhere = std::uncaught_exceptions(); });
  vervet::joinall(a, b);
  EXPECT_EQ(unwinding, 1);
  EXPECT_EQ(elsewhere, 0);
}

TEST(Fiber, EachThreadHostsItsOwn) {
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      pthread_t host = pthread_self();
      std::vector<vervet::fiber<bool>> all;
      for (int i = 0; i < 100; ++i)
        all.push_back(vervet::spawn([host] {
          vervet::sleep_for(1ms);
          return pthread_equal(host, pthread_self()) != 0;
        }));
      for (auto& f : all) right += f.get();
    });
  for (auto& t : threads) t.join();
  EXPECT_EQ(right, 400);
}

TEST(Fiber, AFiberCanBeAwaitedFromAnotherThread) {
  auto f = vervet::spawn([] {
    vervet::sleep_for(5ms);
    return 9;
  });
  int seen = 0;
  std::thread other([&, f] { seen = f.get(); });
  f.join();
  other.join();
  EXPECT_EQ(seen, 9);
}

}  // namespace
