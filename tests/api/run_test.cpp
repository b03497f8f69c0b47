// Full fibers on several workers.
#include <gtest/gtest.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <vector>

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__)
constexpr unsigned many = 500;
#else
constexpr unsigned many = 10'000;
#endif

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

TEST(Run, FibersInheritTheSignalMask) {
  sigset_t usr1, before;
  sigemptyset(&usr1);
  sigaddset(&usr1, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &usr1, &before);
  vervet::run({.workers = 2}, [] {
    // It would end the process.
    kill(getpid(), SIGUSR1);
    vervet::spawn([] { vervet::sleep_for(5ms); }).join();
  });
  timespec at_once{};
  EXPECT_EQ(sigtimedwait(&usr1, nullptr, &at_once), SIGUSR1);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
