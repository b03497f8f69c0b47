// Fibers on several threads, or full ones on two workers, use one primitive while they are killed at
// random; at the end it must be as new and nobody stuck. VERVET_SEED=n repeats a run's choices.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <shared_mutex>
#include <thread>
#include <vector>

#include <vervet/async_result.hpp>
#include <vervet/barrier.hpp>
#include <vervet/condition_variable.hpp>
#include <vervet/event.hpp>
#include <vervet/latch.hpp>
#include <vervet/mutex.hpp>
#include <vervet/once.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/shared_mutex.hpp>
#include <vervet/vervet.hpp>

#include "cut.hpp"

namespace {

using namespace std::chrono_literals;
using choices = std::minstd_rand;

unsigned seed() {
  const char* given = std::getenv("VERVET_SEED");
  return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : 20'240'917;
}

bool one_in(choices& random, unsigned n) { return random() / 7 % n == 0; }

// Never, a little later, or now.
vervet::deadline some_deadline(choices& random) {
  switch (random() / 7 % 4) {
    case 0:
      return std::chrono::microseconds(random() % 300);
    case 1:
      return 0s;
    default:
      return {};
  }
}

void linger(choices& random) {
  switch (random() / 7 % 8) {
    case 0:
      return vervet::sleep_for(std::chrono::microseconds(random() % 100));
    case 1:
    case 2:
      return vervet::yield();
    default:
      return;
  }
}

// Who is to be killed: all fibers of the storm, whatever thread they are on.
struct storm {
  using round = std::function<void(choices&)>;
  static constexpr unsigned fibers_per_host = 6;

  explicit storm(unsigned hosts) : begun(hosts), over(1), victims(hosts * fibers_per_host) {}

  vervet::latch begun, over;
  std::vector<vervet::fiber<>> victims;
  std::atomic<unsigned> cuts{0};

  // Rounds until it is over, each of which may be cut; last() when it is, and by each
  // fiber when it ends.
  void host(unsigned index, const round& one, const std::function<void()>& last) {
    vervet::fiber<>* mine = &victims[index * fibers_per_host];
    for (unsigned i = 0; i < fibers_per_host; ++i)
      mine[i] = vervet::spawn([this, &one, &last, i, index] {
        choices random(seed() + index * fibers_per_host + i);
        while (!over.try_wait()) {
          try {
            one(random);
            vervet::yield();
          } catch (const vervet::fiber_exit&) {
            ++cuts;
          }
        }
        last();
      });
    begun.count_down();
    auto killer = vervet::spawn([this, index] {
      choices random(seed() + 1000 + index);
      begun.wait();
      while (!over.wait(std::chrono::microseconds(random() % 100)))
        kill(victims[random() % victims.size()]);
    });
    killer.join();
    last();
    for (unsigned i = 0; i < fibers_per_host; ++i)
      if (!mine[i].join(20s)) {
        ADD_FAILURE() << "a fiber is stuck, seed " << seed();
        std::abort();
      }
  }
};

constexpr auto span = 60ms;

void end_after_span(storm& all) {
  vervet::sleep_for(span);
  // On a machine with much else to do, until something has happened.
  for (int i = 0; i < 300 && all.cuts < 20; ++i) vervet::sleep_for(10ms);
  all.over.count_down();
}

void on_threads(const storm::round& one, const std::function<void()>& last) {
  storm all(3);
  std::thread a([&] { all.host(0, one, last); }), b([&] { all.host(1, one, last); });
  auto end = vervet::spawn([&] { end_after_span(all); });
  all.host(2, one, last);
  end.join();
  a.join();
  b.join();
  EXPECT_GE(all.cuts, 20u);
}

[[maybe_unused]] void on_workers(const storm::round& one, const std::function<void()>& last) {
  vervet::run({.workers = 2}, [&] {
    storm all(1);
    auto end = vervet::spawn([&] { end_after_span(all); });
    all.host(0, one, last);
    end.join();
  });
}

// Both ways, and `verify` after each.
template <typename Verify>
void stress(const storm::round& one, Verify verify, const std::function<void()>& last = [] {}) {
  SCOPED_TRACE("seed " + std::to_string(seed()));
  on_threads(one, last);
  verify();
#if !defined(__SANITIZE_THREAD__)
  on_workers(one, last);
  verify();
#endif
}

TEST(SyncStress, ASemaphoreHasAllItsPermitsAtTheEnd) {
  vervet::bounded_semaphore s(3);
  std::atomic<int> inside{0};
  stress(
      [&](choices& random) {
        if (!s.acquire(some_deadline(random))) return;
        std::lock_guard permit(s, std::adopt_lock);
        EXPECT_LE(++inside, 3);
        struct leaving {
          std::atomic<int>& of;
          ~leaving() { --of; }
        } leaving{inside};
        linger(random);
      },
      [&] { EXPECT_EQ(s.value(), 3); });
}

template <typename Mutex>
void stress_mutex() {
  Mutex m;
  bool inside = false;
  long count = 0;
  std::atomic<long> locked{0};
  stress(
      [&](choices& random) {
        std::unique_lock<Mutex> lock(m, std::defer_lock);
        if (one_in(random, 2))
          lock.lock();
        else if (m.try_lock_until(some_deadline(random)))
          lock = std::unique_lock(m, std::adopt_lock);
        else
          return;
        EXPECT_FALSE(inside);
        inside = true;
        struct leaving {
          bool& of;
          ~leaving() { of = false; }
        } leaving{inside};
        ++locked;
        long seen = count + 1;
        count = seen;
        linger(random);
        EXPECT_EQ(count, seen);
      },
      [&] {
        EXPECT_EQ(count, locked);
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      });
}
TEST(SyncStress, AMutexExcludes) { stress_mutex<vervet::mutex>(); }
TEST(SyncStress, ARecursiveMutexExcludes) { stress_mutex<vervet::recursive_mutex>(); }

TEST(SyncStress, ASharedMutexExcludesWriters) {
  vervet::shared_mutex m;
  std::atomic<int> readers{0}, writers{0};
  struct inside {
    std::atomic<int>& of;
    explicit inside(std::atomic<int>& n) : of(n) { ++of; }
    ~inside() { --of; }
  };
  stress(
      [&](choices& random) {
        if (one_in(random, 3)) {
          if (!m.try_lock_until(some_deadline(random))) return;
          std::unique_lock lock(m, std::adopt_lock);
          inside me(writers);
          EXPECT_EQ(writers, 1);
          EXPECT_EQ(readers, 0);
          linger(random);
          EXPECT_EQ(readers, 0);
        } else {
          if (!m.try_lock_shared_until(some_deadline(random))) return;
          std::shared_lock lock(m, std::adopt_lock);
          inside me(readers);
          EXPECT_EQ(writers, 0);
          linger(random);
          EXPECT_EQ(writers, 0);
        }
      },
      [&] {
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      });
}

// The sum of what is in the buffer and what was taken out is what was put in; and a wait without a
// deadline ends although waiters are killed, because a put wakes a taker and a take a putter.
TEST(SyncStress, AConditionVariableLosesNoNotification) {
  vervet::mutex m;
  vervet::condition_variable not_full, not_empty;
  int in = 0;
  long put = 0, taken = 0;
  stress(
      [&](choices& random) {
        std::unique_lock lock(m);
        bool putting = one_in(random, 2);
        auto ready = [&] { return putting ? in < 4 : in > 0; };
        auto& cv = putting ? not_full : not_empty;
        try {
          if (!cv.wait_until(lock, std::chrono::microseconds(random() % 500), ready)) return;
        } catch (...) {
          EXPECT_TRUE(lock.owns_lock());
          throw;
        }
        EXPECT_TRUE(lock.owns_lock());
        EXPECT_TRUE(ready());
        in += putting ? 1 : -1;
        ++(putting ? put : taken);
        (putting ? not_empty : not_full).notify_one();
      },
      [&] {
        EXPECT_EQ(put, taken + in);
        EXPECT_TRUE(m.try_lock());
        m.unlock();
      });
}

// Nobody clears it after all have left but those who still wait: these go on.
TEST(SyncStress, AnEventWakesWhoeverIsThere) {
  vervet::event e;
  stress(
      [&](choices& random) {
        if (one_in(random, 3)) {
          e.set();
          if (one_in(random, 2)) e.clear();
        } else {
          e.wait(some_deadline(random));
        }
      },
      [&] { EXPECT_TRUE(e.is_set()); }, [&] { e.set(); });
}

TEST(SyncStress, AnAsyncResultReachesAll) {
  std::vector<std::unique_ptr<vervet::async_result<unsigned>>> results(20'000);
  for (auto& r : results) r = std::make_unique<vervet::async_result<unsigned>>();
  std::atomic<unsigned> next{0};
  stress(
      [&](choices& random) {
        unsigned i = next;
        if (i >= results.size()) return vervet::yield();
        if (one_in(random, 4)) {
          if (next.compare_exchange_strong(i, i + 1)) results[i]->set_value(i);
        } else if (results[i]->wait(std::chrono::microseconds(random() % 400))) {
          EXPECT_EQ(results[i]->get(), i);
        }
      },
      [&] {
        for (unsigned i = 0; i < next && i < results.size(); ++i) EXPECT_TRUE(results[i]->ready());
      });
}

TEST(SyncStress, ABarrierEndsAPhaseOnlyWhenAllHaveArrived) {
  for (bool workers : {false, true}) {
#if defined(__SANITIZE_THREAD__)
    if (workers) continue;
#endif
    constexpr int parties = 6;
    std::atomic<int> phase{0};
    std::atomic<bool> enough{false};
    vervet::barrier b(parties, [&]() noexcept { enough = ++phase == 300; });
    vervet::latch begun(parties);  // who is killed before never comes
    auto party = [&] {
      begun.count_down();
      for (int i = 0; !enough; ++i) {
        EXPECT_EQ(phase, i);
        auto token = b.arrive();
        for (bool passed = false; !passed;) {
          try {
            passed = b.wait(token);
          } catch (const vervet::fiber_exit&) {
          }
        }
      }
    };
    auto all = [&](int count) {
      std::vector<vervet::fiber<>> fibers;
      for (int i = 0; i < count; ++i) fibers.push_back(vervet::spawn(party));
      choices random(seed());
      begun.wait();
      while (!vervet::joinall(fibers, std::chrono::microseconds(random() % 50)))
        kill(fibers[random() % fibers.size()]);
    };
    if (workers) {
      vervet::run({.workers = 2}, [&] { all(parties); });
    } else {
      std::thread other([&] { all(parties / 2); });
      all(parties / 2);
      other.join();
    }
    EXPECT_EQ(phase, 300);
  }
}

TEST(SyncStress, OnceIsOnceThoughRunnersDie) {
  struct attempt {
    vervet::once_flag flag;
    std::atomic<int> done{0};
  };
  std::vector<attempt> attempts(3000);
  std::atomic<unsigned> at{0};
  stress(
      [&](choices& random) {
        unsigned i = at;
        if (i >= attempts.size()) return vervet::yield();
        attempt& a = attempts[i];
        vervet::call_once(a.flag, [&] {
          linger(random);
          linger(random);
          ++a.done;
        });
        EXPECT_EQ(a.done, 1);
        at.compare_exchange_strong(i, i + 1);
      },
      [&] {
        for (unsigned i = 0; i < at; ++i) EXPECT_EQ(attempts[i].done, 1);
      });
}

}  // namespace
