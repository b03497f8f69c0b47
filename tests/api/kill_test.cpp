// fiber::kill and killall: where, when and by whom.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <vervet/gather.hpp>
#include <vervet/run.hpp>
#include <vervet/this_fiber.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>
#include <vervet/wait.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::counted;
using test::gate;

struct note {
  std::atomic<int>& to;
  ~note() { ++to; }
};

struct odd : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What a fiber may be in when it is killed.
struct wait_kind {
  const char* name;
  void (*wait)(gate& never, vervet::fiber<>& sleeper);
};
const wait_kind wait_kinds[] = {
    {"Queue", [](gate& never, vervet::fiber<>&) { never.wait(); }},
    {"QueueWithDeadline", [](gate& never, vervet::fiber<>&) { never.wait(1h); }},
    {"Sleep", [](gate&, vervet::fiber<>&) { vervet::sleep_for(1h); }},
    {"SleepUntil",
     [](gate&, vervet::fiber<>&) { vervet::sleep_until(std::chrono::steady_clock::now() + 1h); }},
    {"Yield",
     [](gate&, vervet::fiber<>&) {
       for (;;) vervet::yield();
     }},
    {"Join", [](gate&, vervet::fiber<>& sleeper) { sleeper.join(); }},
    {"JoinWithDeadline", [](gate&, vervet::fiber<>& sleeper) { sleeper.join(1h); }},
    {"Get", [](gate&, vervet::fiber<>& sleeper) { sleeper.get(); }},
    {"Joinall", [](gate&, vervet::fiber<>& sleeper) { vervet::joinall({sleeper}); }},
    {"JoinallOfOne",
     [](gate&, vervet::fiber<>& sleeper) {
       vervet::joinall({sleeper, sleeper}, {.count = 1});
     }},
    {"Wait", [](gate& never, vervet::fiber<>& sleeper) { vervet::wait(never, sleeper); }},
    {"Gather", [](gate&, vervet::fiber<>& sleeper) { vervet::gather(sleeper); }},
    {"Timeout",
     [](gate& never, vervet::fiber<>&) {
       vervet::timeout limit(1h);
       never.wait();
     }},
    {"KillOfAnother",
     [](gate& never, vervet::fiber<>&) {
       gate started, release;
       auto stubborn = vervet::spawn([&] {
         vervet::shield closed;
         started.open();
         release.wait();
       });
       struct last {
         gate& g;
         vervet::fiber<>& f;
         ~last() {
           vervet::shield s;
           g.open();
           f.join();
         }
       } at_end{release, stubborn};
       started.wait();
       stubborn.kill();
       never.wait();
     }},
};

class KillIn : public testing::TestWithParam<wait_kind> {
 protected:
  // Spawns a fiber, lets it come to its wait, kills it.
  static void check() {
    std::atomic<int> destroyed{0};
    gate never, begun;
    auto sleeper = vervet::spawn([] { vervet::sleep_for(1h); });
    auto victim = vervet::spawn([&, held = std::make_shared<counted>()] {
      note n{destroyed};
      begun.open();
      GetParam().wait(never, sleeper);
      ADD_FAILURE() << "it went on";
    });
    begun.wait();
    vervet::sleep_for(1ms);
    EXPECT_FALSE(victim.ready());
    EXPECT_TRUE(victim.kill());
    EXPECT_EQ(destroyed, 1);
    EXPECT_TRUE(victim.cancelled());
    EXPECT_FALSE(victim.successful());
    EXPECT_THROW(victim.get(), vervet::fiber_exit);
    EXPECT_FALSE(never.has_waiters());
    EXPECT_TRUE(sleeper.kill());
    EXPECT_TRUE(sleeper.kill());
    EXPECT_EQ(counted::alive, 0);
  }
};

TEST_P(KillIn, ALightFiberEndsItAndUnwindsTheStack) { check(); }
TEST_P(KillIn, AFullFiberEndsItAndUnwindsTheStack) {
  vervet::run({.workers = 2}, [] { check(); });
}
INSTANTIATE_TEST_SUITE_P(EachWait, KillIn, testing::ValuesIn(wait_kinds),
                         [](auto& kind) { return std::string(kind.param.name); });

TEST(Kill, OfAFiberThatHasNotBegunLeavesItAlone) {
  auto held = std::make_shared<counted>();
  auto f = vervet::spawn([held] { ADD_FAILURE() << "it ran"; });
  held = nullptr;
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.has_ended());
  EXPECT_TRUE(f.cancelled());
  EXPECT_FALSE(f.successful());
  EXPECT_THROW(f.get(), vervet::fiber_exit);
  EXPECT_EQ(counted::alive, 0);
}

TEST(Kill, OfADelayedFiberEndsItAtOnce) {
  auto start = std::chrono::steady_clock::now();
  auto f = vervet::spawn_later(1h, [] { ADD_FAILURE() << "it ran"; });
  vervet::yield();
  EXPECT_FALSE(f.ready());
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.cancelled());
  vervet::run({.workers = 2}, [] {
    auto full = vervet::spawn_later(1h, [] { ADD_FAILURE() << "it ran"; });
    EXPECT_TRUE(full.kill());
    EXPECT_TRUE(full.cancelled());
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, 10s);
}

TEST(Kill, ThrowsTheExceptionItIsGiven) {
  gate never;
  std::string seen;
  auto f = vervet::spawn([&] {
    try {
      never.wait();
    } catch (const odd& e) {
      seen = e.what();
      throw;
    }
  });
  vervet::yield();
  testing::internal::CaptureStderr();
  EXPECT_TRUE(f.kill(odd("why")));
  EXPECT_NE(testing::internal::GetCapturedStderr().find("why"), std::string::npos);
  EXPECT_EQ(seen, "why");
  EXPECT_FALSE(f.cancelled());
  EXPECT_THROW(f.get(), odd);
  EXPECT_THROW(std::rethrow_exception(f.exception()), odd);
  auto unbegun = vervet::spawn([] {});
  EXPECT_TRUE(unbegun.kill(std::make_exception_ptr(odd("pointer"))));
  EXPECT_TRUE(unbegun.cancelled());
  EXPECT_THROW(unbegun.get(), odd);
}

TEST(Kill, TwiceBeforeItIsNoticedIsOneWithTheLastException) {
  gate never, second;
  int caught = 0;
  auto f = vervet::spawn([&] {
    try {
      never.wait();
    } catch (const odd& e) {
      EXPECT_STREQ(e.what(), "b");
      ++caught;
    }
    second.wait();
  });
  vervet::yield();
  EXPECT_FALSE(f.kill(odd("a"), false));
  EXPECT_FALSE(f.kill(odd("b"), false));
  vervet::yield();
  vervet::yield();
  EXPECT_EQ(caught, 1);
  second.open();
  EXPECT_TRUE(f.join());
  EXPECT_TRUE(f.successful());
}

TEST(Kill, AFiberMayCatchItAndGoOn) {
  gate never;
  auto f = vervet::spawn([&] {
    try {
      never.wait();
    } catch (const vervet::fiber_exit&) {
    }
    vervet::sleep_for(1ms);
    return 7;
  });
  vervet::yield();
  EXPECT_FALSE(f.kill(0ms));
  EXPECT_TRUE(f.join());
  EXPECT_TRUE(f.successful());
  EXPECT_EQ(f.get(), 7);
}

TEST(Kill, OfItselfThrowsAtOnce) {
  vervet::fiber<> self;
  bool unwound = false;
  self = vervet::spawn([&] {
    struct flag {
      bool& to;
      ~flag() { to = true; }
    } f{unwound};
    self.kill();
    ADD_FAILURE() << "it went on";
  });
  self.join();
  EXPECT_TRUE(unwound);
  EXPECT_TRUE(self.cancelled());
}

TEST(Kill, OfItselfWithoutBlockingComesAtTheNextWait) {
  vervet::fiber<> self;
  int reached = 0;
  self = vervet::spawn([&] {
    EXPECT_FALSE(self.kill(vervet::fiber_exit(), false));
    reached = 1;
    EXPECT_TRUE(vervet::this_fiber::is_killed());
    vervet::yield();
    reached = 2;
  });
  self.join();
  EXPECT_EQ(reached, 1);
  EXPECT_TRUE(self.cancelled());
}

TEST(Kill, OfAnEndedFiberIsNoError) {
  auto f = vervet::spawn([] { return 3; });
  f.join();
  EXPECT_TRUE(f.kill());
  EXPECT_TRUE(f.kill(odd("late"), false));
  EXPECT_EQ(f.get(), 3);
}

TEST(Kill, FromAnotherThreadEndsTheWait) {
  gate never, begun;
  auto f = vervet::spawn([&] {
    begun.open();
    never.wait();
  });
  std::thread killer([&, f] {
    begun.wait();
    EXPECT_TRUE(f.kill());
  });
  EXPECT_TRUE(f.join());
  killer.join();
  EXPECT_TRUE(f.cancelled());
}

TEST(Kill, RequestsTheStopOfACallableThatTakesAToken) {
  auto f = vervet::spawn(
      [](std::stop_token stop, int answer) {
        while (!stop.stop_requested()) {
          try {
            vervet::yield();
          } catch (const vervet::fiber_exit&) {
          }
        }
        return answer;
      },
      5);
  vervet::yield();
  EXPECT_TRUE(f.kill());
  EXPECT_EQ(f.get(), 5);
}

TEST(Kill, OfAFiberWhoseArgumentsWaitInTheirDestructors) {
  struct waits {
    bool armed = true;
    waits() = default;
    waits(waits&& other) : armed(std::exchange(other.armed, false)) {}
    ~waits() {
      if (armed) vervet::sleep_for(1ms);
    }
  };
  gate never;
  auto f = vervet::spawn([&](const waits&) { never.wait(); }, waits());
  vervet::yield();
  f.kill(vervet::fiber_exit(), false);
  vervet::yield();
  f.kill(vervet::fiber_exit(), false);
  EXPECT_TRUE(f.join());
}

TEST(Killall, WaitsForThoseOfARangeOfOnePass) {
  std::vector<vervet::fiber<>> stubborn;
  for (int i = 0; i < 3; ++i)
    stubborn.push_back(vervet::spawn([] {
      try {
        vervet::sleep_for(1h);
      } catch (const vervet::fiber_exit&) {
        vervet::sleep_for(2ms);
      }
    }));
  vervet::yield();
  vervet::generator<vervet::fiber<>> all([&](auto& yield) {
    for (auto& f : stubborn) yield(f);
  });
  EXPECT_TRUE(vervet::killall(all));
  for (auto& f : stubborn) EXPECT_TRUE(f.ready());
}

TEST(Killall, EndsThoseThatHaveNotBegunAndThoseThatWait) {
  gate never;
  std::atomic<int> begun{0};
  auto work = [&] {
    ++begun;
    never.wait();
  };
  std::vector<vervet::fiber<>> all{vervet::spawn(work), vervet::spawn(work), {}};
  vervet::yield();
  EXPECT_EQ(begun, 2);
  all.push_back(vervet::spawn(work));
  EXPECT_TRUE(vervet::killall(all));
  EXPECT_EQ(begun, 2);
  for (auto& f : all) EXPECT_TRUE(!f || f.cancelled());
  EXPECT_TRUE(vervet::killall(all, odd("late"), false));
}

TEST(Killall, TellsAtItsDeadlineThatOneLivesOn) {
  gate release;
  std::vector<vervet::fiber<>> all{vervet::spawn([&] {
    vervet::shield closed;
    release.wait();
  })};
  vervet::yield();
  EXPECT_FALSE(vervet::killall(all, 1ms));
  release.open();
  EXPECT_TRUE(vervet::killall(all));
  EXPECT_TRUE(all[0].successful());
}

TEST(Killall, KillsTheCallerLast) {
  gate never;
  std::vector<vervet::fiber<>> all;
  bool others_first = false;
  all.push_back(vervet::spawn([&] {
    try {
      vervet::yield();
      vervet::killall(all);
    } catch (const vervet::fiber_exit&) {
      others_first = all[1].has_ended();
      throw;
    }
  }));
  all.push_back(vervet::spawn([&] { never.wait(); }));
  EXPECT_TRUE(vervet::joinall(all));
  EXPECT_TRUE(others_first);
  EXPECT_TRUE(all[0].cancelled());
}

// Fibers that wait for each other in many ways, killed at random moments; seeded.
class RandomKills : public testing::TestWithParam<unsigned> {
 protected:
  static void storm(unsigned seed, int rounds) {
    std::minstd_rand random(seed);
    for (int round = 0; round < rounds; ++round) {
      gate shared;
      std::vector<vervet::fiber<>> all;
      auto next = [&](unsigned below) { return static_cast<unsigned>(random() % below); };
      for (int i = 0; i < 12; ++i) {
        unsigned kind = next(7);
        vervet::fiber<> other = all.empty() ? vervet::fiber<>() : all[next(all.size())];
        all.push_back(vervet::spawn([&shared, kind, other, held = counted()] {
          counted local;
          for (int step = 0; step < 4; ++step) {
            auto own = std::make_shared<counted>();
            switch (kind) {
              case 0: shared.wait(1ms); break;
              case 1: vervet::sleep_for(200us); break;
              case 2: vervet::yield(); break;
              case 3:
                if (other) other.join(1ms);
                break;
              case 4: vervet::with_timeout(100us, [&] { shared.wait(); }); break;
              case 5:
                if (other) vervet::wait({.timeout = 1ms}, shared, other, other);
                break;
              default: {
                auto child = vervet::spawn([held = counted()] { vervet::yield(); });
                vervet::shield closed;
                child.join();
              }
            }
          }
        }));
        if (next(3) == 0) all.back().link([held = counted()](vervet::fiber<>) { counted c; });
      }
      for (unsigned pauses = next(6); pauses != 0; --pauses) vervet::yield();
      for (auto& f : all) {
        if (next(2) == 0) f.kill(vervet::fiber_exit(), next(2) == 0);
        if (next(4) == 0) vervet::yield();
      }
      if (next(2) == 0) shared.open();
      EXPECT_TRUE(vervet::killall(all, 20s));
      EXPECT_FALSE(shared.has_waiters());
    }
  }
  static void all_gone() {
    for (int i = 0; i < 1000 && counted::alive != 0; ++i) vervet::sleep_for(100us);
    EXPECT_EQ(counted::alive, 0);
  }
};

TEST_P(RandomKills, OfLightFibersLeakNothing) {
  storm(GetParam(), 40);
  all_gone();
}

TEST_P(RandomKills, OfFullFibersLeakNothing) {
  vervet::run({.workers = 2}, [] { storm(GetParam(), 10); });
  EXPECT_EQ(counted::alive, 0);
}

TEST_P(RandomKills, AcrossThreadsLeakNothing) {
  constexpr int rounds = 30;
  gate shared;
  std::mutex lock;
  std::vector<vervet::fiber<>> all;
  std::atomic<bool> over{false};
  std::thread host([&] {
    for (int round = 0; round < rounds; ++round) {
      std::vector<vervet::fiber<>> mine;
      for (int i = 0; i < 8; ++i)
        mine.push_back(vervet::spawn([&shared, i, held = counted()] {
          counted local;
          if (i % 2 == 0) shared.wait();
          vervet::sleep_for(1h);
        }));
      {
        std::lock_guard guard(lock);
        all = mine;
      }
      vervet::joinall(mine);
    }
    over = true;
  });
  std::minstd_rand random(GetParam());
  while (!over) {
    std::vector<vervet::fiber<>> seen;
    {
      std::lock_guard guard(lock);
      seen = all;
    }
    for (auto& f : seen)
      if (random() % 2 == 0) f.kill(vervet::fiber_exit(), random() % 4 == 0);
  }
  host.join();
  all.clear();
  EXPECT_FALSE(shared.has_waiters());
  EXPECT_EQ(counted::alive, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomKills, testing::Values(1u, 2u, 3u, 4u));

}  // namespace
