#include <vervet/semaphore.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;

constinit vervet::bounded_semaphore in_static_storage(2);

TEST(Semaphore, RefusesWhatMakesNoSense) {
  EXPECT_THROW(vervet::semaphore(-1), std::invalid_argument);
  vervet::semaphore s(1);
  EXPECT_THROW(s.release(-1), std::invalid_argument);
  EXPECT_THROW(s.release(std::numeric_limits<std::ptrdiff_t>::max()), std::logic_error);
  EXPECT_EQ(s.value(), 1);
}

TEST(Semaphore, ABoundedOneIsNotReleasedBeyondItsStart) {
  auto& s = in_static_storage;
  EXPECT_THROW(s.release(), std::logic_error);
  EXPECT_TRUE(s.acquire());
  EXPECT_THROW(s.release(2), std::logic_error);
  s.release();
  EXPECT_EQ(s.value(), 2);
}

TEST(Semaphore, ABoundedOneKeepsItsBoundWhileSomebodyWaits) {
  vervet::bounded_semaphore s(1);
  s.acquire();
  auto waits = vervet::spawn([&] { return s.acquire(); });
  vervet::yield();
  EXPECT_THROW(s.release(2), std::logic_error);
  s.release();
  EXPECT_TRUE(waits.get());
  EXPECT_EQ(s.value(), 0);
}

TEST(Semaphore, CountsPermits) {
  vervet::semaphore s(2);
  EXPECT_TRUE(s.try_acquire());
  EXPECT_TRUE(s.acquire());
  EXPECT_FALSE(s.try_acquire());
  s.release(3);
  EXPECT_EQ(s.value(), 3);
  s.release(0);
  std::unique_lock one(s);
  EXPECT_EQ(s.value(), 2);
  one.unlock();
  EXPECT_EQ(s.value(), 3);
}

TEST(Semaphore, HandsOverToTheLongestWaiterAndNobodyOvertakes) {
  vervet::semaphore s(0);
  std::string order;
  std::vector<vervet::fiber<>> all;
  for (char c : {'a', 'b', 'c'})
    all.push_back(vervet::spawn([&, c] {
      s.acquire();
      order += c;
    }));
  vervet::yield();
  s.release(2);
  EXPECT_FALSE(s.try_acquire());
  EXPECT_EQ(s.value(), 0);
  vervet::yield();
  EXPECT_EQ(order, "ab");
  s.release(2);
  EXPECT_EQ(s.value(), 1);
  vervet::joinall(all);
  EXPECT_EQ(order, "abc");
}

TEST(Semaphore, TimesOutWithoutTakingAPermit) {
  vervet::semaphore s(0);
  EXPECT_FALSE(s.acquire(2ms));
  EXPECT_FALSE(s.acquire(0s));
  s.release();
  EXPECT_EQ(s.value(), 1);
}

TEST(Semaphore, AKilledWaiterTakesNoPermit) {
  vervet::semaphore s(0);
  auto victim = spawn_victim([&] { s.acquire(); });
  auto stays = vervet::spawn([&] { return s.acquire(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.get());
  s.release();
  EXPECT_TRUE(stays.get());
  EXPECT_EQ(s.value(), 0);
}

TEST(Semaphore, APermitGivenToAKilledWaiterIsItsOwnAndItsNextWaitIsCut) {
  vervet::semaphore s(0);
  auto victim = spawn_victim([&] {
    s.acquire();
    std::lock_guard back(s, std::adopt_lock);
    vervet::sleep_for(1h);
  });
  vervet::yield();
  kill(victim);
  s.release();  // before the victim runs
  EXPECT_TRUE(victim.get());
  EXPECT_EQ(s.value(), 1);
}

TEST(Semaphore, TellsOfADeadlock) {
  vervet::semaphore s(0);
  EXPECT_THROW(s.acquire(), vervet::would_block_forever);
  s.release();
  EXPECT_EQ(s.value(), 1);
}

TEST(Semaphore, LimitsFibersOfSeveralThreads) {
  vervet::semaphore s(3);
  std::atomic<int> inside{0}, most{0};
  auto host = [&] {
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 10; ++i)
      all.push_back(vervet::spawn([&] {
        for (int j = 0; j < 20; ++j) {
          std::lock_guard permit(s);
          int now = ++inside;
          for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
          }
          vervet::yield();
          --inside;
        }
      }));
    vervet::joinall(all);
  };
  std::thread other(host);
  host();
  other.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(s.value(), 3);
}

TEST(Semaphore, MayDieAsSoonAsTheLastPermitIsTaken) {
  for (int i = 0; i < 300; ++i) {
    auto s = std::make_unique<vervet::semaphore>(0);
    std::thread other([p = s.get()] { p->release(); });
    s->acquire();
    s.reset();
    other.join();
  }
}

TEST(Semaphore, LimitsFullFibers) {
  vervet::run({.workers = 2}, [] {
    vervet::semaphore s(2);
    std::atomic<int> inside{0};
    std::vector<vervet::fiber<>> all;
    for (int i = 0; i < 20; ++i)
      all.push_back(vervet::spawn([&] {
        for (int j = 0; j < 50; ++j) {
          s.acquire();
          EXPECT_LE(++inside, 2);
          if (j % 8 == 0) vervet::yield();
          --inside;
          s.release();
        }
      }));
    vervet::joinall(all);
    EXPECT_EQ(s.value(), 2);
  });
}

TEST(Semaphore, ObserversAreToldOfAPermitThatIsLeftAndTakeNone) {
  vervet::semaphore s(0);
  vervet::detail::selection told;
  vervet::detail::waiter w{&told};
  EXPECT_TRUE(s.observe(w));
  s.unobserve(w);
  s.release();
  EXPECT_FALSE(s.observe(w));
  EXPECT_TRUE(s.try_acquire());
  EXPECT_TRUE(s.observe(w));
  auto acquirer = vervet::spawn([&] { s.acquire(); });
  vervet::yield();
  s.release();
  EXPECT_FALSE(told.is_finished());
  acquirer.join();
  s.release();
  EXPECT_TRUE(told.is_finished());
  EXPECT_EQ(s.value(), 1);
}

}  // namespace
