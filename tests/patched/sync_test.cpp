// pthreads' objects between light fibers of one thread, and between them and native threads.
#include <gtest/gtest.h>

#include <pthread.h>
#include <semaphore.h>
#include <threads.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "common.hpp"

namespace {

using namespace patched_test;

struct mutex_of_type {
  explicit mutex_of_type(int type) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, type);
    pthread_mutex_init(&mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
  }
  ~mutex_of_type() { EXPECT_EQ(pthread_mutex_destroy(&mutex), 0); }
  operator pthread_mutex_t*() { return &mutex; }
  pthread_mutex_t mutex;
};

class PatchedMutex : public testing::TestWithParam<int> {};

// One fiber holds it over a sleep: the others wait for it, and the thread goes on.
TEST_P(PatchedMutex, ExcludesFibersOfOneThread) {
  mutex_of_type m(GetParam());
  int inside = 0;
  int ticks = 0;
  bool over = false;
  auto ticker = vervet::spawn([&] {
    for (; !over; ++ticks) usleep(1000);
  });
  run_fibers(5, [&](int) {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(++inside, 1);
    usleep(10'000);
    --inside;
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  over = true;
  ticker.get();
  EXPECT_GT(ticks, 10);
}

TEST_P(PatchedMutex, ExcludesFibersAndNativeThreads) {
  mutex_of_type m(GetParam());
  int count = 0;
  auto work = [&] {
    for (int i = 0; i < 2000; ++i) {
      EXPECT_EQ(pthread_mutex_lock(m), 0);
      int seen = count;
      if (i % 100 == 0) usleep(10);
      count = seen + 1;
      EXPECT_EQ(pthread_mutex_unlock(m), 0);
    }
  };
  std::thread native(work), hosting([&] { run_fibers(2, [&](int) { work(); }); });
  run_fibers(2, [&](int) { work(); });
  native.join();
  hosting.join();
  EXPECT_EQ(count, 5 * 2000);
}

TEST_P(PatchedMutex, ANativeThreadsUnlockWakesAFiber) {
  mutex_of_type m(GetParam());
  std::atomic<bool> locked{false};
  std::thread native([&] {
    pthread_mutex_lock(m);
    locked = true;
    std::this_thread::sleep_for(30ms);
    pthread_mutex_unlock(m);
  });
  while (!locked) std::this_thread::yield();
  bool slept = false;
  auto sleeper = vervet::spawn([&] {
    usleep(5000);
    slept = true;
  });
  run_fibers(1, [&](int) {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_TRUE(slept);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  sleeper.get();
  native.join();
}

TEST_P(PatchedMutex, AFibersUnlockWakesANativeThread) {
  mutex_of_type m(GetParam());
  auto fiber = vervet::spawn([&] {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    usleep(30'000);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  usleep(1000);
  std::thread native([&] {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  fiber.get();
  native.join();
}

TEST_P(PatchedMutex, ATimedLockTimesOut) {
  mutex_of_type m(GetParam());
  auto holder = vervet::spawn([&] {
    pthread_mutex_lock(m);
    usleep(60'000);
    pthread_mutex_unlock(m);
  });
  run_fibers(1, [&](int) {
    timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 20'000'000;
    if (until.tv_nsec >= 1'000'000'000) until.tv_nsec -= 1'000'000'000, ++until.tv_sec;
    EXPECT_EQ(pthread_mutex_timedlock(m, &until), ETIMEDOUT);
  });
  holder.get();
}

INSTANTIATE_TEST_SUITE_P(Types, PatchedMutex,
                         testing::Values(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                         PTHREAD_MUTEX_ERRORCHECK));

TEST(PatchedSync, ARecursiveMutexIsRecursiveForItsFiberAlone) {
  mutex_of_type m(PTHREAD_MUTEX_RECURSIVE);
  auto holder = vervet::spawn([&] {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_trylock(m), 0);
    usleep(20'000);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(pthread_mutex_unlock(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), EPERM);
  });
  usleep(1000);
  // The thread's own flow is another owner, too.
  EXPECT_EQ(pthread_mutex_trylock(m), EBUSY);
  EXPECT_EQ(pthread_mutex_unlock(m), EPERM);
  run_fibers(1, [&](int) {
    EXPECT_EQ(pthread_mutex_trylock(m), EBUSY);
    EXPECT_EQ(pthread_mutex_unlock(m), EPERM);
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  holder.get();
}

TEST(PatchedSync, AnErrorCheckingMutexKnowsItsFiber) {
  mutex_of_type m(PTHREAD_MUTEX_ERRORCHECK);
  auto holder = vervet::spawn([&] {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_lock(m), EDEADLK);
    EXPECT_EQ(pthread_mutex_trylock(m), EBUSY);
    usleep(10'000);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  usleep(1000);
  run_fibers(1, [&](int) {
    EXPECT_EQ(pthread_mutex_unlock(m), EPERM);
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  holder.get();
}

TEST(PatchedSync, StdRecursiveMutexWorksPerFiber) {
  std::recursive_mutex m;
  int inside = 0;
  run_fibers(3, [&](int) {
    std::lock_guard outer(m);
    std::lock_guard inner(m);
    EXPECT_EQ(++inside, 1);
    usleep(2000);
    --inside;
  });
}

TEST(PatchedSync, AConditionsWaitReleasesARecursiveMutex) {
  mutex_of_type m(PTHREAD_MUTEX_RECURSIVE);
  pthread_cond_t c = PTHREAD_COND_INITIALIZER;
  bool ready = false;
  auto waiter = vervet::spawn([&] {
    pthread_mutex_lock(m);
    while (!ready) EXPECT_EQ(pthread_cond_wait(&c, m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
    EXPECT_EQ(pthread_mutex_unlock(m), EPERM);
  });
  usleep(1000);
  run_fibers(1, [&](int) {
    EXPECT_EQ(pthread_mutex_lock(m), 0);
    ready = true;
    pthread_cond_signal(&c);
    EXPECT_EQ(pthread_mutex_unlock(m), 0);
  });
  waiter.get();
  pthread_cond_destroy(&c);
}

// A token that fibers of two threads and a native thread hand on in turn.
TEST(PatchedSync, ConditionsConnectFibersAndNativeThreads) {
  constexpr int parties = 6, rounds = 200;
  std::mutex m;
  std::condition_variable c;
  int turn = 0;
  auto party = [&](int which) {
    for (int i = 0; i < rounds; ++i) {
      std::unique_lock lock(m);
      c.wait(lock, [&] { return turn % parties == which; });
      ++turn;
      c.notify_all();
    }
  };
  std::thread a([&] { run_fibers(2, [&](int i) { party(i); }); });
  std::thread b([&] { party(2); });
  std::thread d([&] { party(3); });
  run_fibers(2, [&](int i) { party(4 + i); });
  a.join();
  b.join();
  d.join();
  EXPECT_EQ(turn, parties * rounds);
}

TEST(PatchedSync, ATimedConditionWaitTimesOut) {
  run_fibers(3, [](int) {
    std::mutex m;
    std::condition_variable c;
    std::unique_lock lock(m);
    auto took = time_of([&] { EXPECT_EQ(c.wait_for(lock, 30ms), std::cv_status::timeout); });
    EXPECT_GE(took, 30ms);
  });
}

TEST(PatchedSync, SemaphoresConnectFibersAndNativeThreads) {
  sem_t s, answer;
  sem_init(&s, 0, 0);
  sem_init(&answer, 0, 0);
  std::thread native([&] {
    for (int i = 0; i < 500; ++i) {
      sem_post(&s);
      while (sem_wait(&answer) != 0) {
      }
    }
  });
  run_fibers(5, [&](int) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(sem_wait(&s), 0);
      sem_post(&answer);
    }
  });
  native.join();
  sem_destroy(&s);
  sem_destroy(&answer);
}

TEST(PatchedSync, RwlocksExcludeWritersOfOneThread) {
  pthread_rwlock_t l = PTHREAD_RWLOCK_INITIALIZER;
  int readers = 0, writers = 0, most_readers = 0;
  run_fibers(8, [&](int i) {
    if (i % 4 == 3) {
      EXPECT_EQ(pthread_rwlock_wrlock(&l), 0);
      EXPECT_EQ(pthread_rwlock_wrlock(&l), EDEADLK);
      EXPECT_EQ(pthread_rwlock_rdlock(&l), EDEADLK);
      EXPECT_EQ(++writers, 1);
      EXPECT_EQ(readers, 0);
      usleep(5000);
      --writers;
    } else {
      EXPECT_EQ(pthread_rwlock_rdlock(&l), 0);
      EXPECT_EQ(writers, 0);
      most_readers = std::max(most_readers, ++readers);
      usleep(5000);
      --readers;
    }
    EXPECT_EQ(pthread_rwlock_unlock(&l), 0);
  });
  EXPECT_GT(most_readers, 1);
  EXPECT_EQ(pthread_rwlock_trywrlock(&l), 0);
  EXPECT_EQ(pthread_rwlock_unlock(&l), 0);
  std::thread native([&] {
    EXPECT_EQ(pthread_rwlock_trywrlock(&l), 0);
    EXPECT_EQ(pthread_rwlock_unlock(&l), 0);
  });
  native.join();
}

TEST(PatchedSync, BarriersAndOnceLetOtherFibersRun) {
  pthread_barrier_t b;
  pthread_barrier_init(&b, nullptr, 4);
  std::atomic<int> serial{0};
  std::thread native([&] { serial += pthread_barrier_wait(&b) != 0; });
  run_fibers(3, [&](int) { serial += pthread_barrier_wait(&b) != 0; });
  native.join();
  EXPECT_EQ(serial, 1);
  pthread_barrier_destroy(&b);

  std::once_flag once;
  int calls = 0;
  run_fibers(4, [&](int) {
    std::call_once(once, [&] {
      usleep(5000);
      ++calls;
    });
    EXPECT_EQ(calls, 1);
  });
}

TEST(PatchedSync, AtomicWaitParks) {
  std::atomic<int> word{0};
  auto waiter = vervet::spawn([&] { word.wait(0); });
  auto waker = vervet::spawn([&] {
    usleep(5000);
    word = 1;
    word.notify_one();
  });
  waiter.get();
  waker.get();
}

}  // namespace
