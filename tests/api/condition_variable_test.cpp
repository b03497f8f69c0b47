#include <vervet/condition_variable.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <vervet/shared_mutex.hpp>
#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::condition_variable in_static_storage;

TEST(ConditionVariable, AWaitWithoutTheLockIsAnError) {
  vervet::mutex m;
  vervet::condition_variable cv;
  std::unique_lock lock(m, std::defer_lock);
  EXPECT_THROW(cv.wait(lock), std::system_error);
  EXPECT_THROW(cv.wait_for(lock, 1ms), std::system_error);
  cv.notify_all();  // finds nobody
  vervet::condition_variable_any any;
  EXPECT_THROW(any.wait_for(m, 1ms), std::system_error);
  any.notify_one();
}

TEST(ConditionVariable, NotifiesOneByOneInTheOrderTheyCame) {
  auto& cv = in_static_storage;
  vervet::mutex m;
  std::string order;
  std::vector<vervet::fiber<>> all;
  for (char c : {'a', 'b', 'c', 'd'})
    all.push_back(vervet::spawn([&, c] {
      std::unique_lock lock(m);
      cv.wait(lock);
      EXPECT_TRUE(lock.owns_lock());
      order += c;
    }));
  vervet::yield();
  cv.notify_one();
  vervet::yield();
  EXPECT_EQ(order, "a");
  {
    std::lock_guard held(m);  // notifying under the lock is as good
    cv.notify_all();
    vervet::yield();
    EXPECT_EQ(order, "a");
  }
  vervet::joinall(all);
  EXPECT_EQ(order, "abcd");
}

TEST(ConditionVariable, WaitsForAPredicate) {
  vervet::mutex m;
  vervet::condition_variable cv;
  int n = 0;
  auto f = vervet::spawn([&] {
    std::unique_lock lock(m);
    cv.wait(lock, [&] { return n == 3; });
    EXPECT_TRUE(cv.wait_for(lock, 0s, [&] { return n == 3; }));
    return n;
  });
  while (n < 3) {
    vervet::yield();
    std::lock_guard held(m);
    ++n;
    cv.notify_one();
  }
  EXPECT_EQ(f.get(), 3);
}

TEST(ConditionVariable, TimesOutWithTheLockHeld) {
  vervet::mutex m;
  vervet::condition_variable cv;
  std::unique_lock lock(m);
  EXPECT_EQ(cv.wait_for(lock, 1ms), std::cv_status::timeout);
  EXPECT_EQ(cv.wait_until(lock, std::chrono::system_clock::now()), std::cv_status::timeout);
  EXPECT_FALSE(cv.wait_for(lock, 1ms, [] { return false; }));
  EXPECT_FALSE(cv.wait_until(lock, std::chrono::steady_clock::now(), [] { return false; }));
  EXPECT_TRUE(lock.owns_lock());
  EXPECT_FALSE(m.try_lock());
  auto f = vervet::spawn([&] {
    std::unique_lock mine(m);
    return cv.wait_for(mine, 10s) == std::cv_status::no_timeout;
  });
  lock.unlock();
  vervet::yield();
  cv.notify_one();
  EXPECT_TRUE(f.get());
}

TEST(ConditionVariable, AKilledWaitHoldsTheLockAgainWhenItThrows) {
  vervet::mutex m;
  vervet::condition_variable cv;
  bool held = false, cut_without_lock = false;
  auto victim = spawn_victim([&] {
    std::unique_lock lock(m);
    try {
      cv.wait(lock);
    } catch (const vervet::fiber_exit&) {
      held = lock.owns_lock() && !m.try_lock();
      throw;
    }
  });
  vervet::yield();
  {
    std::lock_guard mine(m);
    kill(victim);
    vervet::yield();
    kill(victim);  // while it locks again: that is not cut
    vervet::yield();
    cut_without_lock = victim.has_ended();
  }
  EXPECT_TRUE(victim.get());
  EXPECT_TRUE(held);
  EXPECT_FALSE(cut_without_lock);
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(ConditionVariable, ANotificationIsNotLostToAKilledWaiter) {
  vervet::mutex m;
  vervet::condition_variable cv;
  int woken = 0;
  auto waits = [&] {
    std::unique_lock lock(m);
    cv.wait(lock);
    ++woken;
  };
  auto victim = spawn_victim(waits);
  auto other = vervet::spawn(waits);
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  cv.notify_one();
  other.join();
  EXPECT_EQ(woken, 1);
}

TEST(ConditionVariable, TellsOfADeadlock) {
  vervet::mutex m;
  vervet::condition_variable cv;
  std::unique_lock lock(m);
  EXPECT_THROW(cv.wait(lock), vervet::would_block_forever);
  EXPECT_TRUE(lock.owns_lock());
}

TEST(ConditionVariable, AStopEndsTheWait) {
  vervet::mutex m;
  vervet::condition_variable_any cv;
  std::stop_source stop;
  bool ready = false;
  auto waits = [&] {
    std::unique_lock lock(m);
    bool was = cv.wait(lock, stop.get_token(), [&] { return ready; });
    EXPECT_TRUE(lock.owns_lock());
    return was;
  };
  auto first = vervet::spawn(waits);
  vervet::yield();
  {
    std::lock_guard held(m);
    ready = true;
  }
  cv.notify_all();
  EXPECT_TRUE(first.get());
  ready = false;
  auto second = vervet::spawn(waits);
  auto third = vervet::spawn(waits);
  vervet::yield();
  std::thread([&] { stop.request_stop(); }).join();
  EXPECT_FALSE(second.get());
  EXPECT_FALSE(third.get());
  EXPECT_FALSE(vervet::spawn(waits).get());  // a stop before it
  std::unique_lock lock(m);
  std::stop_source other;
  EXPECT_FALSE(cv.wait_for(lock, other.get_token(), 1ms, [] { return false; }));
  EXPECT_TRUE(cv.wait_until(lock, other.get_token(), 1ms, [] { return true; }));
}

TEST(ConditionVariable, AnyTakesEveryLock) {
  vervet::condition_variable_any cv;
  vervet::recursive_mutex recursive;
  vervet::shared_mutex shared;
  int n = 0;
  auto a = vervet::spawn([&] {
    std::lock_guard held(recursive);
    cv.wait(recursive);
    ++n;
  });
  auto b = vervet::spawn([&] {
    std::shared_lock lock(shared);
    cv.wait(lock);
    ++n;
  });
  vervet::yield();
  EXPECT_TRUE(shared.try_lock());
  shared.unlock();
  cv.notify_all();
  vervet::joinall(a, b);
  EXPECT_EQ(n, 2);
}

TEST(ConditionVariable, MayDieOnceAllAreNotified) {
  for (int i = 0; i < 200; ++i) {
    vervet::mutex m;
    auto cv = std::make_unique<vervet::condition_variable>();
    bool waiting = false;
    std::thread other([&] {
      std::unique_lock lock(m);
      waiting = true;
      cv->wait(lock);
    });
    for (bool done = false; !done;) {
      std::lock_guard held(m);
      if (!waiting) continue;
      cv->notify_all();
      cv.reset();
      done = true;
    }
    other.join();
  }
}

// Producers and consumers of a buffer with one place.
void pass_on(vervet::mutex& m, vervet::condition_variable& cv, int& full, int& passed, bool put) {
  for (int i = 0; i < 100; ++i) {
    std::unique_lock lock(m);
    cv.wait(lock, [&] { return full == (put ? 0 : 1); });
    full = put ? 1 : 0;
    if (put) ++passed;
    cv.notify_all();
  }
}

TEST(ConditionVariable, WorksBetweenFibersOfSeveralThreads) {
  vervet::mutex m;
  vervet::condition_variable cv;
  int full = 0, passed = 0;
  auto host = [&] {
    vervet::joinall(vervet::spawn([&] { pass_on(m, cv, full, passed, true); }),
                    vervet::spawn([&] { pass_on(m, cv, full, passed, false); }));
  };
  std::thread a(host), b([&] { pass_on(m, cv, full, passed, true); });
  auto c = vervet::spawn([&] { pass_on(m, cv, full, passed, false); });
  host();
  c.join();
  a.join();
  b.join();
  EXPECT_EQ(passed, 300);
  EXPECT_EQ(full, 0);
}

TEST(ConditionVariable, WorksBetweenFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::mutex m;
    vervet::condition_variable cv;
    int full = 0, passed = 0;
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(vervet::spawn([&, i] { pass_on(m, cv, full, passed, i % 2 == 0); }));
    vervet::joinall(all);
    EXPECT_EQ(passed, 400);
  });
}

}  // namespace
