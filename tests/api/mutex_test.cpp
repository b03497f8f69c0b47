#include <vervet/mutex.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"
#include "told.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::mutex in_static_storage;

TEST(Mutex, LockingAgainIsAnError) {
  vervet::mutex m;
  std::lock_guard held(m);
  EXPECT_EQ(error_of([&] { m.lock(); }), std::errc::resource_deadlock_would_occur);
  EXPECT_EQ(error_of([&] { m.try_lock_for(1ms); }), std::errc::resource_deadlock_would_occur);
  EXPECT_FALSE(m.try_lock());
}

TEST(Mutex, UnlockingWhatAnotherFlowHoldsIsAnError) {
  vervet::mutex m;
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  std::lock_guard held(m);
  auto foreign = [&] {
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  };
  vervet::spawn(foreign).join();
  std::thread(foreign).join();
  auto waits = vervet::spawn([&] { EXPECT_FALSE(m.try_lock_for(5ms)); });
  vervet::spawn(foreign).join();
  waits.join();
}

TEST(Mutex, IsHeldOverWaits) {
  int inside = 0;
  auto work = [&] {
    for (int i = 0; i < 5; ++i) {
      std::lock_guard held(in_static_storage);
      EXPECT_EQ(++inside, 1);
      vervet::yield();
      --inside;
    }
  };
  vervet::joinall(vervet::spawn(work), vervet::spawn(work), vervet::spawn(work));
  EXPECT_TRUE(in_static_storage.try_lock());
  in_static_storage.unlock();
}

TEST(Mutex, UnlockHandsOverToTheLongestWaiter) {
  vervet::mutex m;
  std::string order;
  m.lock();
  std::vector<vervet::fiber<>> all;
  for (char c : {'a', 'b', 'c'})
    all.push_back(vervet::spawn([&, c] {
      std::lock_guard held(m);
      order += c;
    }));
  vervet::yield();
  m.unlock();
  EXPECT_FALSE(m.try_lock());  // handed over, though nobody has run
  m.lock();
  EXPECT_EQ(order, "abc");
  m.unlock();
  vervet::joinall(all);
}

TEST(Mutex, WorksWithTheStandardGuards) {
  vervet::mutex a, b;
  int transfers = 0;
  auto work = [&](vervet::mutex& first, vervet::mutex& second) {
    for (int i = 0; i < 20; ++i) {
      std::scoped_lock both(first, second);
      ++transfers;
      vervet::yield();
    }
  };
  vervet::joinall(vervet::spawn([&] { work(a, b); }), vervet::spawn([&] { work(b, a); }));
  EXPECT_EQ(transfers, 40);
  std::unique_lock timed(a, 1ms);
  EXPECT_TRUE(timed.owns_lock());
  std::unique_lock later(b, std::defer_lock);
  EXPECT_TRUE(later.try_lock_until(std::chrono::steady_clock::now() + 1ms));
}

TEST(Mutex, TimesOutAndIsNotHeld) {
  vervet::timed_mutex m;
  m.lock();
  auto f = vervet::spawn([&] {
    EXPECT_FALSE(m.try_lock_for(2ms));
    EXPECT_FALSE(m.try_lock_until(std::chrono::system_clock::now()));
  });
  f.join();
  m.unlock();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(Mutex, AKilledLockIsNotHeld) {
  vervet::mutex m;
  m.lock();
  bool held = false;
  auto victim = spawn_victim([&] {
    std::lock_guard guard(m);
    held = true;
  });
  auto next = vervet::spawn([&] { std::lock_guard guard(m); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  EXPECT_FALSE(held);
  m.unlock();
  next.join();
  EXPECT_TRUE(m.try_lock());
  m.unlock();
}

TEST(Mutex, AKilledOwnersGuardUnlocks) {
  vervet::mutex m;
  auto victim = spawn_victim([&] {
    std::lock_guard guard(m);
    vervet::sleep_for(1h);
  });
  vervet::yield();
  kill(victim);
  m.lock();
  m.unlock();
  EXPECT_TRUE(victim.get());
}

TEST(Mutex, TellsOfADeadlock) {
  vervet::mutex a, b;
  a.lock();
  auto f = vervet::spawn([&] {
    std::lock_guard first(b);
    std::lock_guard second(a);
  });
  vervet::yield();
  EXPECT_THROW(b.lock(), vervet::would_block_forever);
  a.unlock();
  f.join();
}

TEST(Mutex, ExcludesFibersOfSeveralThreads) {
  vervet::mutex m;
  int count = 0;
  auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      std::lock_guard held(m);
      int seen = count;
      if (i % 16 == 0) vervet::yield();
      count = seen + 1;
    }
  };
  auto host = [&] { vervet::joinall(vervet::spawn(work), vervet::spawn(work)); };
  std::thread a(host), b(work);
  host();
  a.join();
  b.join();
  EXPECT_EQ(count, 1000);
}

TEST(Mutex, ExcludesFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::mutex m;
    int count = 0;
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 8; ++i)
      all.push_back(vervet::spawn([&] {
        for (int j = 0; j < 500; ++j) {
          std::lock_guard held(m);
          int seen = count;
          if (j % 50 == 0) vervet::yield();
          count = seen + 1;
        }
      }));
    vervet::joinall(all);
    EXPECT_EQ(count, 4000);
  });
}

TEST(Mutex, MayDieOnceTheLastOwnerHasUnlockedIt) {
  for (int i = 0; i < 300; ++i) {
    auto m = std::make_unique<vervet::mutex>();
    int owners = 0;
    auto last = [&] {
      std::lock_guard held(*m);
      return ++owners == 2;
    };
    bool other_was_last = false;
    std::thread other([&] {
      other_was_last = last();
      if (other_was_last) m.reset();
    });
    if (last()) m.reset();
    other.join();
    EXPECT_FALSE(m);
  }
}

TEST(RecursiveMutex, CanBeLockedAgainByItsOwnerOnly) {
  vervet::recursive_mutex m;
  EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  m.lock();
  EXPECT_TRUE(m.try_lock());
  EXPECT_TRUE(m.try_lock_for(1ms));
  auto foreign = [&] {
    EXPECT_FALSE(m.try_lock());
    EXPECT_FALSE(m.try_lock_for(1ms));
    EXPECT_EQ(error_of([&] { m.unlock(); }), std::errc::operation_not_permitted);
  };
  vervet::spawn(foreign).join();
  std::thread(foreign).join();
  m.unlock();
  m.unlock();
  vervet::spawn(foreign).join();
  m.unlock();
  vervet::spawn([&] { EXPECT_TRUE(m.try_lock()), m.unlock(); }).join();
}

TEST(RecursiveMutex, IsFreeWhenUnlockedAsOften) {
  vervet::recursive_mutex m;
  int inside = 0;
  auto work = [&] {
    std::lock_guard outer(m);
    std::lock_guard inner(m);
    EXPECT_EQ(++inside, 1);
    vervet::yield();
    --inside;
  };
  vervet::joinall(vervet::spawn(work), vervet::spawn(work));
  auto victim = spawn_victim([&] { std::lock_guard held(m); });
  std::unique_lock held(m);
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
}

}  // namespace
