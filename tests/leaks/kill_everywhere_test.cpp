// A fiber that is killed in any wait of the API leaks nothing, and what it waited for works on.
// VERVET_SEED=n repeats a run's choices.
#include <gtest/gtest.h>

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <ostream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "wait_hooks.h"
#include "world.h"

namespace test {

void PrintTo(const step& s, std::ostream* to) { *to << s.name; }

namespace {

using namespace std::chrono_literals;

unsigned seed() {
  static const unsigned chosen = [] {
    const char* given = std::getenv("VERVET_SEED");
    return given != nullptr ? static_cast<unsigned>(std::atoi(given)) : std::random_device()();
  }();
  return chosen;
}

std::vector<step> all_steps() {
  std::vector<step> all;
  for (auto part : {sync_steps(), fiber_steps(), io_steps()})
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

[[noreturn]] void stuck(const char* where) {
  ADD_FAILURE() << "a fiber is stuck: " << where << ", seed " << seed();
  std::abort();
}

// Until whatever the fibers held is gone: those that nobody joins end by themselves.
void await_nothing_alive() {
  vervet::deadline until = 20s;
  while (counted::alive != 0 && vervet::deadline(0s) < until) vervet::sleep_for(200us);
  ASSERT_EQ(counted::alive, 0) << "seed " << seed();
}

// Feeds the world while it lives.
class feeder {
 public:
  explicit feeder(world& w)
      : fiber_(vervet::spawn([this, &w] {
          while (!over_) {
            w.feed();
            vervet::sleep_for(20us);
          }
        })) {}
  ~feeder() {
    over_ = true;
    fiber_.get();
  }

 private:
  std::atomic<bool> over_{false};
  vervet::fiber<> fiber_;
};

// Fibers of several hosts run steps at random and are killed at random.
class storm {
 public:
  static constexpr unsigned fibers_per_host = 8;

  explicit storm(unsigned hosts)
      : begun_(hosts), ended_(hosts), victims_(hosts * fibers_per_host), doing_(victims_.size()) {}

  // On each host's thread; `index` 0 is the one that feeds, ends and verifies.
  void host(unsigned index) {
    for (unsigned i = index * fibers_per_host; i < (index + 1) * fibers_per_host; ++i)
      victims_[i] = vervet::spawn([this, i] { wander(i); });
    begun_.arrive_and_wait();
    auto killer = vervet::spawn([this, index] {
      choices random(seed() + 1000 + index);
      while (!over_.wait(std::chrono::microseconds(pick(random, 60))))
        vervet_kill(victims_[pick(random, victims_.size())].native_handle());
    });
    if (index == 0) {
      {
        feeder feeds(world_);
        // On a machine with much else to do, until something has happened.
        for (int i = 0; i < 100 && (i < 12 || cuts_ < 200); ++i) vervet::sleep_for(100ms);
        over_.count_down();
        await_fibers(index);
        killer.get();
        ended_.arrive_and_wait();
      }
      EXPECT_NO_THROW(world_.verify()) << "seed " << seed();
      verified_.count_down();
    } else {
      await_fibers(index);
      killer.get();
      ended_.arrive_and_wait();
      verified_.wait();
    }
    await_nothing_alive();
  }

  unsigned cuts() const { return cuts_; }

 private:
  void wander(unsigned i) {
    static const std::vector<step> steps = all_steps();
    choices random(seed() + i);
    while (!over_.try_wait()) {
      const step& next = steps[pick(random, steps.size())];
      doing_[i] = next.name;
      try {
        counted held;
        next.run(world_, random);
      } catch (const vervet::fiber_exit&) {
        ++cuts_;
      } catch (const std::exception& e) {
        ADD_FAILURE() << next.name << ": " << e.what() << ", seed " << seed();
      }
    }
  }

  void await_fibers(unsigned index) {
    for (unsigned i = index * fibers_per_host; i < (index + 1) * fibers_per_host; ++i)
      if (!victims_[i].join(30s)) stuck(doing_[i]);
  }

  world world_;
  vervet::latch begun_, ended_, over_{1}, verified_{1};
  std::vector<vervet::fiber<>> victims_;
  std::vector<std::atomic<const char*>> doing_;
  std::atomic<unsigned> cuts_{0};
};

TEST(RandomKills, OfLightFibersOnOneThread) {
  {
    storm all(1);
    all.host(0);
    EXPECT_GE(all.cuts(), 200u);
  }
  EXPECT_EQ(counted::alive, 0);
}

TEST(RandomKills, OfLightFibersOnThreeThreads) {
  {
    storm all(3);
    std::thread one([&] { all.host(1); }), two([&] { all.host(2); });
    all.host(0);
    one.join();
    two.join();
    EXPECT_GE(all.cuts(), 200u);
  }
  EXPECT_EQ(counted::alive, 0);
}

TEST(RandomKills, OfFullFibers) {
  vervet::run({.workers = 2}, [] {
    storm all(1);
    all.host(0);
    EXPECT_GE(all.cuts(), 200u);
  });
  EXPECT_EQ(counted::alive, 0);
}

// One fiber takes the step and is killed in its k-th wait; another, which came before or after,
// takes the same and arrives.
class EachWait : public testing::TestWithParam<step> {
 protected:
  // Returns whether there was a k-th wait.
  static bool kill_in_wait(world& w, unsigned k, strike how, bool victim_first, unsigned start) {
    auto pass = [&] {
      choices random(start);
      counted held;
      GetParam().run(w, random);
    };
    vervet::fiber<> victim, other;
    kth_wait hook(k, how);
    auto begin_victim = [&] {
      victim = vervet::spawn([&] {
        hook.watch_me();
        pass();
      });
    };
    if (victim_first) begin_victim();
    other = vervet::spawn(pass);
    if (!victim_first) begin_victim();
    {
      feeder feeds(w);
      if (!victim.join(20s) || !other.join(20s)) stuck(GetParam().name);
    }
    EXPECT_TRUE(victim.cancelled() || victim.successful());
    EXPECT_NO_THROW(other.get());
    return hook.was_reached();
  }

  static void kill_in_each_wait() {
    for (unsigned variant = 0; variant < 4; ++variant) {
      for (unsigned k = 1; k < 200; ++k) {
        SCOPED_TRACE("wait " + std::to_string(k) + ", variant " + std::to_string(variant) +
                     ", seed " + std::to_string(seed()));
        bool reached = false;
        {
          world w;
          reached = kill_in_wait(w, k, variant / 2 == 0 ? strike::before : strike::during,
                                 variant % 2 == 0, seed() + variant);
          EXPECT_NO_THROW(w.verify());
        }
        await_nothing_alive();
        if (HasFailure()) return;
        if (!reached) break;
      }
    }
  }
};

TEST_P(EachWait, OfALightFiber) { kill_in_each_wait(); }
TEST_P(EachWait, OfAFullFiber) {
  vervet::run({.workers = 2}, [] { kill_in_each_wait(); });
}
INSTANTIATE_TEST_SUITE_P(Kill, EachWait, testing::ValuesIn(all_steps()), [](auto& of) {
  std::string name;
  bool begins = true;
  for (char c : std::string(of.param.name)) {
    if (std::isalnum(c)) name += begins ? static_cast<char>(std::toupper(c)) : c;
    begins = !std::isalnum(c);
  }
  return name;
});

}  // namespace
}  // namespace test
