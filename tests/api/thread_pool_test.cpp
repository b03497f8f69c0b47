// Blocking work elsewhere.
#include <gtest/gtest.h>

#include <atomic>
#include <latch>
#include <memory>
#include <semaphore>
#include <stdexcept>
#include <thread>
#include <vector>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vervet/thread_pool.hpp>
#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::offload;
using vervet::thread_pool;

using gate = std::binary_semaphore;  // of the C++ library: blocks a kernel thread

// Scopes as the C interface has them; what cuts throws.
struct scope : vervet_scope {
  explicit scope(vervet::deadline until) : vervet_scope{} {
    deadline = until.monotonic();
    raise = [](vervet_scope*) { throw 7; };
    vervet_scope_enter(this);
  }
  ~scope() { vervet_scope_leave(this); }
};

TEST(ThreadPool, ReportsWhatItCannotDo) {
  EXPECT_THROW(thread_pool(1'000'000), std::system_error);
  EXPECT_EQ(vervet_offload_threads(0), EINVAL);
}

TEST(ThreadPool, OffloadRunsOnAnotherThreadAndReturnsTheResult) {
  auto here = std::this_thread::get_id();
  auto there = offload([] { return std::this_thread::get_id(); });
  EXPECT_NE(here, there);
  EXPECT_EQ(offload([](int a, int b) { return a + b; }, 1, 2), 3);
  auto moved = offload([](std::unique_ptr<int> p) { return p; }, std::make_unique<int>(5));
  EXPECT_EQ(*moved, 5);
  int local = 0;
  int& same = offload([&]() -> int& { return local; });
  EXPECT_EQ(&same, &local);
}

TEST(ThreadPool, ExceptionsAreCarriedAcross) {
  EXPECT_THROW(offload([] { throw std::runtime_error("x"); }), std::runtime_error);
  thread_pool pool(1);
  auto result = pool.submit([]() -> int { throw std::out_of_range("y"); });
  EXPECT_THROW(result.get(), std::out_of_range);
  EXPECT_THROW(result.get(), std::out_of_range);
  EXPECT_NE(result.exception(), nullptr);
  EXPECT_FALSE(result.successful());
}

TEST(ThreadPool, AnExceptionThatNobodyCanCollectIsReported) {
  testing::internal::CaptureStderr();
  {
    thread_pool pool(1);
    gate dropped(0);
    pool.submit([&] {
      dropped.acquire();
      throw std::runtime_error("lost");
    });
    dropped.release();
  }
  const std::string report =
      "vervet: a submitted function ended with an uncaught exception: lost\n";
  EXPECT_EQ(testing::internal::GetCapturedStderr(), report);

  testing::internal::CaptureStderr();
  thread_pool pool(1);
  auto asked = pool.submit([] { throw std::runtime_error("told"); });
  auto result = pool.submit([] { throw std::runtime_error("lost"); });
  pool.join();
  EXPECT_NE(asked.exception(), nullptr);
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "") << "it can be collected still";
  testing::internal::CaptureStderr();
  result = {};
  asked = {};
  EXPECT_EQ(testing::internal::GetCapturedStderr(), report);
}

TEST(ThreadPool, OtherFibersRunMeanwhile) {
  gate go(0);
  auto other = vervet::spawn([&] { go.release(); });
  offload([&] { go.acquire(); });
  EXPECT_TRUE(other.has_ended());
}

TEST(ThreadPool, TenOffloadsOverlap) {
  std::latch all(8);  // the default pool has as many threads at least
  std::vector<vervet::fiber<>> fibers;
  for (int i = 0; i < 8; ++i)
    fibers.push_back(vervet::spawn([&] { offload([&] { all.arrive_and_wait(); }); }));
  EXPECT_TRUE(vervet::joinall(fibers));
}

TEST(ThreadPool, SignalsAreBlockedThere) {
  sigset_t mask;
  offload([&] { pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
  EXPECT_TRUE(sigismember(&mask, SIGUSR1));
  EXPECT_TRUE(sigismember(&mask, SIGALRM));
}

TEST(ThreadPool, CallsFromAPoolThreadRunInline) {
  thread_pool pool(1);
  pool.apply([&] {
    auto here = std::this_thread::get_id();
    EXPECT_EQ(pool.apply([] { return std::this_thread::get_id(); }), here);
    EXPECT_EQ(offload([] { return std::this_thread::get_id(); }), here);
    EXPECT_EQ(pool.submit([] { return std::this_thread::get_id(); }).get(), here);
  });
}

TEST(ThreadPool, RunsInTheOrderOfSubmissionAndReusesItsThreads) {
  thread_pool pool(1);
  std::vector<int> order;
  std::vector<std::thread::id> threads;
  for (int i = 0; i < 20; ++i)
    pool.submit([&, i] {
      order.push_back(i);
      threads.push_back(std::this_thread::get_id());
    });
  EXPECT_TRUE(pool.join());
  for (int i = 0; i < 20; ++i) EXPECT_EQ(order[i], i);
  for (auto& t : threads) EXPECT_EQ(t, threads[0]);
}

TEST(ThreadPool, GetTimesOut) {
  thread_pool pool(1);
  gate go(0);
  auto result = pool.submit([&] {
    go.acquire();
    return 1;
  });
  EXPECT_FALSE(result.ready());
  EXPECT_FALSE(result.wait(1ms));
  EXPECT_THROW(result.get(0ms), vervet::timed_out);
  EXPECT_FALSE(pool.join(1ms));
  go.release();
  EXPECT_EQ(result.get(), 1);
  EXPECT_TRUE(result.successful());
}

TEST(ThreadPool, TheSubmitterWaitsWhenTheQueueIsFull) {
  thread_pool pool({.threads = 1, .queue = 2});
  gate go(0);
  pool.submit([&] { go.acquire(); });
  pool.submit([] {});
  pool.submit([] {});
  std::vector<int> order;
  auto first = vervet::spawn([&] {
    pool.submit([] {});
    order.push_back(1);
  });
  auto second = vervet::spawn([&] {
    pool.submit([] {});
    order.push_back(2);
  });
  vervet::yield();
  vervet::yield();
  EXPECT_TRUE(order.empty());
  go.release();
  EXPECT_TRUE(vervet::joinall({first, second}, 5s));
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(ThreadPool, AQueueOfNoneMakesEverySubmitterWaitForAThread) {
  thread_pool pool({.threads = 1, .queue = 0});
  gate go(0);
  std::atomic<int> ran{0};
  pool.submit([&] { go.acquire(); });
  auto waiting = vervet::spawn([&] { pool.submit([&] { ++ran; }); });
  vervet::yield();
  EXPECT_FALSE(waiting.has_ended());
  go.release();
  waiting.join();
  pool.join();
  EXPECT_EQ(ran, 1);
}

TEST(ThreadPool, ASubmitterThatIsCutTakesItsCallableBack) {
  thread_pool pool({.threads = 1, .queue = 0});
  gate go(0);
  bool ran = false;
  pool.submit([&] { go.acquire(); });
  auto watched = std::make_shared<int>();
  {
    scope limit(1ms);
    EXPECT_THROW(pool.submit([&ran, watched] { ran = true; }), int);
  }
  auto killed = vervet::spawn([&] { pool.submit([&ran, watched] { ran = true; }); });
  vervet::yield();
  killed.kill();
  EXPECT_EQ(watched.use_count(), 1);
  go.release();
  pool.join();
  EXPECT_FALSE(ran);
}

TEST(ThreadPool, AKillEndsAnOffloadThatHasNotBegun) {
  thread_pool pool(1);
  gate go(0);
  bool ran = false;
  pool.submit([&] { go.acquire(); });
  auto waiting = vervet::spawn([&] { pool.apply([&] { ran = true; }); });
  vervet::yield();
  waiting.kill();
  EXPECT_TRUE(waiting.has_ended());
  go.release();
  pool.join();
  EXPECT_FALSE(ran);
}

TEST(ThreadPool, AKillLeavesAnOffloadThatHasBegunAloneAndCutsTheNextWait) {
  gate begun(0), go(0);
  int result = 0;
  bool beyond = false;
  auto worker = vervet::spawn([&] {
    result = offload([&] {
      begun.release();
      go.acquire();
      return 3;
    });
    vervet::sleep_for(1h);
    beyond = true;
  });
  vervet::yield();
  offload([&] { begun.acquire(); });
  vervet_kill(worker.native_handle());
  vervet::yield();
  EXPECT_FALSE(worker.has_ended());
  go.release();
  worker.join();
  EXPECT_EQ(result, 3);
  EXPECT_FALSE(beyond);
}

TEST(ThreadPool, AKillEndsAGetAndTheCallableGoesOn) {
  thread_pool pool(1);
  gate go(0);
  auto result = pool.submit([&] {
    go.acquire();
    return 8;
  });
  auto waiting = vervet::spawn([&] { result.get(); });
  vervet::yield();
  waiting.kill();
  EXPECT_TRUE(waiting.has_ended());
  go.release();
  EXPECT_EQ(result.get(), 8);
}

TEST(ThreadPool, TheDestructorWaitsForWhatWasSubmitted) {
  std::atomic<int> ran{0};
  {
    thread_pool pool(2);
    for (int i = 0; i < 50; ++i)
      pool.submit([&] {
        std::this_thread::yield();
        ++ran;
      });
  }
  EXPECT_EQ(ran, 50);
}

TEST(ThreadPool, IdleThreadsEnd) {
  thread_pool pool({.threads = 4, .idle = 1ms});
  auto id = [&] { return pool.apply([] { return gettid(); }); };
  pid_t first = id();
  auto gone = [&] { return tgkill(getpid(), first, 0) != 0; };
  for (int i = 0; i < 1000 && !gone(); ++i) vervet::sleep_for(1ms);
  EXPECT_TRUE(gone());
  EXPECT_NE(id(), first);
}

TEST(ThreadPool, ServesFibersOfSeveralThreads) {
  thread_pool pool(2);
  std::atomic<int> sum{0};
  auto use = [&] {
    std::vector<vervet::fiber<>> fibers;
    for (int i = 0; i < 100; ++i)
      fibers.push_back(vervet::spawn([&] { sum += pool.apply([] { return 1; }); }));
    vervet::joinall(fibers);
  };
  std::thread a(use), b(use);
  sum += pool.submit([] { return 1; }).get();
  a.join();
  b.join();
  EXPECT_EQ(sum, 201);
}

TEST(ThreadPool, ServesFullFibers) {
  thread_pool pool({.threads = 2, .queue = 1});
  int sum = vervet::run({.workers = 2}, [&] {
    std::vector<vervet::fiber<int>> fibers;
    for (int i = 0; i < 100; ++i)
      fibers.push_back(vervet::spawn(
          [&] { return pool.submit([] { return 1; }).get() + offload([] { return 1; }); }));
    int total = 0;
    for (auto& f : fibers) total += f.get();
    return total;
  });
  EXPECT_EQ(sum, 200);
}

TEST(ThreadPool, IdleThreadsDoNotHideADeadlock) {
  offload([] {});
  // The thread is idle a moment after the call's end.
  vervet_stats stats{};
  stats.size = sizeof stats;
  do {
    std::this_thread::yield();
    ASSERT_EQ(vervet_get_stats(&stats), 0);
  } while (stats.offload_idle != stats.offload_threads);
  static int address;
  auto waiting = vervet::spawn([] { vervet_park(&address, nullptr, nullptr, VERVET_NEVER, 0); });
  EXPECT_THROW(waiting.join(), vervet::would_block_forever);
  vervet_unpark(&address, 1);
  waiting.join();
}

TEST(ThreadPool, AForkedChildStartsAnew) {
  thread_pool pool(2);
  pool.apply([] {});
  gate go(0);
  auto never = pool.submit([&] { go.acquire(); });
  pid_t child = fork();
  if (child == 0) {
    bool right = pool.apply([] { return 5; }) == 5 && offload([] { return 6; }) == 6;
    right = right && !never.wait(1ms) && pool.join(1s);
    _exit(right ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  go.release();
  never.get();
}

}  // namespace
