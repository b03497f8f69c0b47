// The C++ interface.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <unistd.h>

#include <vervet/vervet.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

#if defined(__SANITIZE_THREAD__)
constexpr unsigned many = 500;
#else
constexpr unsigned many = 10'000;
#endif

// What is allocated while it lives is left behind on purpose.
struct leaks {
#if defined(__SANITIZE_ADDRESS__)
  __lsan::ScopedDisabler disabler;
#else
  ~leaks() {}
#endif
};

// What the process writes to stderr while `body` runs.
template <typename Body>
std::string stderr_of(Body body) {
  testing::internal::CaptureStderr();
  body();
  return testing::internal::GetCapturedStderr();
}

TEST(Api, SpawnReportsWhatItCannotDo) {
  EXPECT_THROW(vervet::spawn({.stack_size = 1}, [] {}), std::system_error);
}

TEST(Api, GetReturnsTheResultEachTime) {
  auto f = vervet::spawn([](int a, const std::string& b) { return b + std::to_string(a); }, 4, "x");
  EXPECT_EQ(f.get(), "x4");
  EXPECT_EQ(f.get(), "x4");
  auto copy = f;
  EXPECT_EQ(copy.get(), "x4");
  EXPECT_TRUE(copy == f);
}

TEST(Api, GetOnAGivenUpHandleMovesTheResult) {
  std::unique_ptr<int> p = vervet::spawn([] { return std::make_unique<int>(3); }).get();
  EXPECT_EQ(*p, 3);
}

TEST(Api, GetReturnsReferencesAsTheyAre) {
  int x = 0;
  auto f = vervet::spawn([&]() -> int& { return x; });
  f.get() = 5;
  EXPECT_EQ(x, 5);
}

TEST(Api, ArgumentsAreMovedInAndDieWithTheFiberNotWithTheHandle) {
  auto token = std::make_shared<int>(1);
  std::weak_ptr<int> seen = token;
  auto f = vervet::spawn([](std::shared_ptr<int> p) { return *p; }, std::move(token));
  EXPECT_FALSE(seen.expired());
  f.join();
  EXPECT_TRUE(seen.expired());
  EXPECT_EQ(f.get(), 1);
}

TEST(Api, MembersCanBeSpawned) {
  struct counter {
    int n = 0;
    void add(int by) { n += by; }
  } c;
  vervet::spawn(&counter::add, &c, 3).join();
  EXPECT_EQ(c.n, 3);
}

TEST(Api, JoinNeverThrowsTheFibersException) {
  auto f = vervet::spawn([]() -> int { throw std::runtime_error("boom"); });
  std::string line = stderr_of([&] { EXPECT_NO_THROW(f.join()); });
  EXPECT_NE(line.find("ended with an uncaught exception: boom"), std::string::npos) << line;
  EXPECT_TRUE(f.has_ended());
  EXPECT_THROW(f.get(), std::runtime_error);
  EXPECT_THROW(f.get(), std::runtime_error);
  EXPECT_THROW(vervet::fiber<>(f).get(), std::runtime_error);
}

TEST(Api, TheReportNamesTheFiber) {
  auto f = vervet::spawn({.name = "a name that is too long"}, [] { throw 5; });
  std::string line = stderr_of([&] { f.join(); });
  EXPECT_NE(line.find("(a name that is )"), std::string::npos) << line;
}

TEST(Api, AnExceptionThatAGetWaitsForIsNotReported) {
  auto f = vervet::spawn([] { throw std::logic_error("expected"); });
  std::string line = stderr_of([&] { EXPECT_THROW(f.get(), std::logic_error); });
  EXPECT_EQ(line, "");
}

TEST(Api, OneFibersExceptionLeavesTheOthersAlone) {
  auto bad = vervet::spawn([] { throw 1; });
  auto good = vervet::spawn([] {
    vervet::sleep_for(1ms);
    return 2;
  });
  stderr_of([&] { vervet::joinall(bad, good); });
  EXPECT_EQ(good.get(), 2);
}

TEST(Api, JoinallTakesRangesAndPacks) {
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

TEST(Api, JoinallTellsWhetherAllHaveEnded) {
  auto quick = vervet::spawn([] { return 1; });
  auto slow = vervet::spawn([] { vervet::sleep_for(80ms); });
  EXPECT_FALSE(vervet::joinall({quick, slow}, 5ms));
  EXPECT_TRUE(quick.has_ended());
  EXPECT_FALSE(slow.join(1ms));
  EXPECT_FALSE(slow.join(std::chrono::system_clock::now() + 1ms));
  std::vector<vervet::fiber<>> both{quick, slow};
  EXPECT_TRUE(vervet::joinall(both, 10s));
}

TEST(Api, SleepsAtLeastAsLongAsAsked) {
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

TEST(Api, SleepersSleepAtTheSameTime) {
  auto start = clock_type::now();
  std::vector<vervet::fiber<>> all;
  for (int i = 0; i < 1000; ++i) all.push_back(vervet::spawn([] { vervet::sleep_for(50ms); }));
  vervet::joinall(all);
  EXPECT_LT(clock_type::now() - start, 5s);
}

TEST(Api, FibersThatSpawnAndJoinFibersDeeply) {
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

TEST(Api, CaughtExceptionsFollowTheirFibers) {
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

TEST(Api, AFiberSpawnedInACatchBlockStartsWithoutAnException) {
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

TEST(Api, ADestructorMayWaitWhileItsFiberUnwinds) {
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

TEST(Api, TheMainFlowIsToldThatItWouldBlockForEver) {
  std::thread([] {
    leaks on_purpose;  // the two are abandoned with their thread
    vervet::fiber<> a, b;
    a = vervet::spawn([&b] { b.join(); });
    b = vervet::spawn([&a] { a.join(); });
    EXPECT_THROW(a.join(), vervet::would_block_forever);
    EXPECT_FALSE(b.join(1ms));
  }).join();
}

TEST(Api, EachThreadHostsItsOwn) {
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

TEST(Api, AFiberCanBeAwaitedFromAnotherThread) {
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

TEST(Run, RefusesWorkersOutOfRange) {
  EXPECT_THROW(vervet::run({.workers = 257}, [] {}), std::system_error);
}

TEST(Run, RefusesToNest) {
  vervet::run({.workers = 1},
              [] { EXPECT_THROW(vervet::run({.workers = 1}, [] {}), std::logic_error); });
}

TEST(Run, UsesTheCpusThereAreByDefault) {
  EXPECT_EQ(vervet::run({}, [] { return 3; }), 3);
}

TEST(Run, RethrowsWhatTheFunctionThrows) {
  auto fails = [] { throw std::out_of_range("x"); };
  EXPECT_THROW(vervet::run({.workers = 1}, fails), std::out_of_range);
}

TEST(Run, WaitsForFibersThatNobodyJoins) {
  std::atomic<int> ended{0};
  vervet::run({.workers = 2}, [&] {
    for (int i = 0; i < 10; ++i)
      vervet::spawn([&] {
        vervet::sleep_for(10ms);
        ++ended;
      });
  });
  EXPECT_EQ(ended, 10);
}

TEST(Run, LetsTheLightFibersOfItsCallerGoOn) {
  int ticks = 0;
  auto ticker = vervet::spawn([&] {
    for (; ticks < 5; ++ticks) vervet::sleep_for(1ms);
  });
  vervet::run({.workers = 1}, [] { vervet::sleep_for(100ms); });
  EXPECT_EQ(ticks, 5);
  ticker.join();
}

TEST(Run, TellsOfADeadlockItsFunctionFirstThenTheOthers) {
  for (unsigned workers : {1u, 2u}) {
    std::atomic<int> told{0};
    vervet::run({.workers = workers}, [&told] {
      struct pair {
        vervet::fiber<> a, b;
        std::atomic<bool> ready{false};
      };
      auto both = std::make_shared<pair>();
      auto join = [both, &told](vervet::fiber<> pair::*other) {
        while (!both->ready) vervet::yield();
        try {
          (both.get()->*other).join();
        } catch (const vervet::would_block_forever&) {
          ++told;
        }
      };
      both->a = vervet::spawn(join, &pair::b);
      both->b = vervet::spawn(join, &pair::a);
      both->ready = true;
      EXPECT_THROW(both->a.join(), vervet::would_block_forever);
      EXPECT_EQ(told, 0);
    });
    EXPECT_EQ(told, 1);
  }
}

TEST(Run, PthreadExitEndsAFiberWithoutAResult) {
  vervet::run({.workers = 1}, [] {
    bool unwound = false;
    auto f = vervet::spawn([&]() -> int {
      struct note {
        bool& flag;
        ~note() { flag = true; }
      } n{unwound};
      pthread_exit(nullptr);
    });
    f.join();
    EXPECT_TRUE(unwound);
    EXPECT_THROW(f.get(), std::logic_error);
  });
}

class RunWith : public testing::TestWithParam<unsigned> {};

TEST_P(RunWith, ManyFullFibersSleepAndAreSummedUp) {
  std::atomic<unsigned> sum{0};
  unsigned joined = vervet::run({.workers = GetParam()}, [&] {
    std::vector<vervet::fiber<unsigned>> all;
    for (unsigned i = 0; i < many; ++i)
      all.push_back(vervet::spawn({.stack_size = 64 * 1024}, [&sum, i] {
        vervet::sleep_for(std::chrono::microseconds(i % 1000));
        sum += i;
        return i;
      }));
    unsigned total = 0;
    for (auto& f : all) total += f.get();
    return total;
  });
  EXPECT_EQ(sum, many * (many - 1) / 2);
  EXPECT_EQ(joined, sum);
}

struct counts_its_end {
  std::atomic<int>* ended = nullptr;
  ~counts_its_end() {
    if (ended != nullptr) ++*ended;
  }
};
thread_local int thread_number = 7;
thread_local counts_its_end at_end;

TEST_P(RunWith, EachFullFiberHasItsThreadLocals) {
  std::atomic<int> wrong{0}, ended{0};
  constexpr int count = 200;
  vervet::run({.workers = GetParam()}, [&] {
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < count; ++i)
      all.push_back(vervet::spawn([&, i] {
        at_end.ended = &ended;
        if (thread_number != 7) ++wrong;
        thread_number = i;
        errno = i;
        for (int round = 0; round < 20; ++round) {
          if (round % 5 == 0) vervet::sleep_for(200us);
          vervet::yield();
          if (thread_number != i || errno != i) ++wrong;
        }
      }));
    vervet::joinall(all);
    // Destructors of thread_local objects have run when join() returns, as with threads.
    EXPECT_EQ(ended, count);
  });
  EXPECT_EQ(wrong, 0);
}

TEST_P(RunWith, ExceptionsAreThrownAcrossSwitchesInManyFibers) {
  int caught = vervet::run({.workers = GetParam()}, [] {
    std::vector<vervet::fiber<int>> all;
    for (int i = 0; i < 200; ++i)
      all.push_back(vervet::spawn([i] {
        try {
          vervet::sleep_for(100us);
          throw i;
        } catch (int) {
          vervet::yield();
          try {
            throw;
          } catch (int again) {
            return again == i ? 1 : 0;
          }
        }
      }));
    int total = 0;
    for (auto& f : all) total += f.get();
    return total;
  });
  EXPECT_EQ(caught, 200);
}

TEST_P(RunWith, StackSizeIsHonoured) {
  struct deep {
    [[gnu::noinline]] static int down(int left) {
      volatile char frame[4096];
      frame[0] = 1;
      return left == 0 ? 0 : down(left - 1) + frame[0];
    }
  };
  int depth = vervet::run({.workers = GetParam()}, [] {
    return vervet::spawn({.stack_size = 8 << 20}, deep::down, 1200).get();
  });
  EXPECT_EQ(depth, 1200);
}

TEST_P(RunWith, CanBeRepeated) {
  for (int i = 0; i < 5; ++i) {
    int seen = vervet::run({.workers = GetParam()}, [i] {
      auto f = vervet::spawn([i] {
        vervet::yield();
        return i;
      });
      return f.get();
    });
    EXPECT_EQ(seen, i);
  }
}

INSTANTIATE_TEST_SUITE_P(Workers, RunWith, testing::Values(1u, 2u, 4u));

}  // namespace
