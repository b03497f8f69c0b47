// Scopes and kills: what cuts waits short.
#include <cerrno>
#include <thread>
#include <vector>

#include <unistd.h>

#include "tests/runtime/c_fiber.h"

namespace vervet::testing {
namespace {

int word;

int park(int64_t deadline = VERVET_NEVER, unsigned flags = VERVET_PARK_OUTSIDE) {
  return vervet_park(&word, nullptr, nullptr, deadline, flags);
}

class scope : public vervet_scope {
 public:
  explicit scope(int64_t until = VERVET_NEVER, uint32_t how = 0) : vervet_scope{} {
    deadline = until;
    flags = how;
    vervet_scope_enter(this);
  }
  scope(const scope&) = delete;
  ~scope() { vervet_scope_leave(this); }
};

TEST(Scope, ADeadlineCutsAWaitWithoutOne) {
  scope s(vervet_after(5 * millisecond));
  EXPECT_EQ(park(), ECANCELED);
  int due = 0;
  EXPECT_EQ(vervet_take_cut(&due), &s);
  EXPECT_TRUE(due);
  EXPECT_TRUE(s.fired);
  EXPECT_EQ(vervet_sleep_for(millisecond), 0);  // once
}

TEST(Scope, AnEarlierDeadlineOfTheWaitIsATimeout) {
  scope s(vervet_after(1000 * millisecond));
  EXPECT_EQ(park(vervet_after(2 * millisecond)), ETIMEDOUT);
  EXPECT_FALSE(s.fired);
}

TEST(Scope, StaysDueUntilItIsTaken) {
  scope s(vervet_after(0));
  EXPECT_EQ(park(), ECANCELED);
  EXPECT_EQ(vervet_sleep_for(millisecond), ECANCELED);
  EXPECT_EQ(vervet_yield(), ECANCELED);
  EXPECT_EQ(vervet_take_cut(nullptr), &s);
  EXPECT_EQ(vervet_yield(), 0);
}

TEST(Scope, OfSeveralThatAreDueTheInnerOneComesFirst) {
  scope outer(vervet_after(millisecond));
  scope inner(vervet_after(2 * millisecond));
  usleep(3000);
  EXPECT_EQ(park(), ECANCELED);
  EXPECT_EQ(vervet_take_cut(nullptr), &inner);
  EXPECT_EQ(park(), ECANCELED);
  EXPECT_EQ(vervet_take_cut(nullptr), &outer);
}

TEST(Scope, TheOuterOneCutsInsideTheInnerOne) {
  scope outer(vervet_after(millisecond));
  scope inner(vervet_after(1000 * millisecond));
  EXPECT_EQ(park(), ECANCELED);
  EXPECT_EQ(vervet_take_cut(nullptr), &outer);
}

TEST(Scope, AShieldKeepsOuterOnesWaiting) {
  scope outer(vervet_after(0));
  {
    scope shield(VERVET_NEVER, VERVET_SCOPE_SHIELD);
    EXPECT_EQ(vervet_sleep_for(millisecond), 0);
  }
  EXPECT_EQ(vervet_sleep_for(millisecond), ECANCELED);
  vervet_take_cut(nullptr);
}

TEST(Scope, AnotherThreadCancelsTheWaitOfAThreadWithoutFibers) {
  std::thread([] {
    scope s;
    std::thread canceller([&s] {
      usleep(5000);
      vervet_scope_cancel(&s);
    });
    EXPECT_EQ(park(), ECANCELED);
    canceller.join();
    EXPECT_EQ(vervet_take_cut(nullptr), &s);
  }).join();
}

TEST(Scope, BelongsToItsFiberNotToItsThread) {
  c_fiber bounded([] {
    scope s(vervet_after(3 * millisecond));
    EXPECT_EQ(park(), ECANCELED);
    vervet_take_cut(nullptr);
  });
  c_fiber free([] { EXPECT_EQ(vervet_sleep_for(10 * millisecond), 0); });
  EXPECT_EQ(bounded.join(), 0);
  EXPECT_EQ(free.join(), 0);
}

TEST(Scope, DoesNotCutWhatMustNotBe) {
  scope s(vervet_after(0));
  EXPECT_EQ(park(vervet_after(millisecond), VERVET_PARK_UNCUT), ETIMEDOUT);
  vervet_take_cut(nullptr);
}

TEST(Kill, EndsTheWaitsOfAFiberUntilItLooks) {
  int results[3] = {};
  c_fiber f([&] {
    results[0] = park();
    results[1] = vervet_sleep_for(millisecond);
    EXPECT_TRUE(vervet_check_killed());
    results[2] = vervet_sleep_for(millisecond);
    EXPECT_FALSE(vervet_check_killed());
  });
  vervet_yield();
  EXPECT_EQ(f.kill(), 0);
  EXPECT_EQ(f.join(), 0);
  EXPECT_EQ(results[0], ECANCELED);
  EXPECT_EQ(results[1], ECANCELED);
  EXPECT_EQ(results[2], 0);
  EXPECT_EQ(f.kill(), ESRCH);
}

TEST(Kill, AFiberThatHasNotStartedNeverDoes) {
  static int discarded;
  discarded = 0;
  vervet_spawn_options options{};
  options.size = sizeof options;
  options.discard = [](void*) { ++discarded; };
  for (bool later : {false, true}) {
    options.start = later ? vervet_after(1000 * millisecond) : 0;
    vervet_fiber* f = nullptr;
    auto never = [](void*) -> void* {
      ADD_FAILURE();
      return nullptr;
    };
    ASSERT_EQ(vervet_spawn(&f, &options, never, nullptr), 0);
    if (later) vervet_yield();
    vervet_kill(f);
    EXPECT_EQ(vervet_join(f, nullptr, vervet_after(100 * millisecond)), 0);
    vervet_release(f);
  }
  EXPECT_EQ(discarded, 2);
}

TEST(Kill, ReachesAFiberOfAnotherThread) {
  std::atomic<c_fiber*> victim{nullptr};
  int result = 0;
  std::thread host([&] {
    c_fiber f([&] { result = park(); });
    victim = &f;
    f.join();
    victim = nullptr;
  });
  while (victim.load() == nullptr) usleep(100);
  usleep(2000);
  victim.load()->kill();
  host.join();
  EXPECT_EQ(result, ECANCELED);
}

TEST(Kill, AStartCanBeDelayed) {
  vervet_spawn_options options{};
  int64_t start = options.start = vervet_after(5 * millisecond);
  c_fiber f([&] { EXPECT_LE(start, vervet_after(0)); }, options);
  EXPECT_EQ(f.join(), 0);
}

// Fibers of several threads kill each other in waits of every kind, again and again.
TEST(Kill, RacesWithWakesLosesNothing) {
  constexpr int threads = 3;
  static std::atomic<int> tokens;
  tokens = 0;
  auto host = [](unsigned seed) {
    constexpr int fibers = 8, rounds = 400;
    std::atomic<int> cuts{0}, wakes{0};
    for (int round = 0; round < rounds / fibers; ++round) {
      std::vector<std::unique_ptr<c_fiber>> all;
      for (int i = 0; i < fibers; ++i)
        all.push_back(std::make_unique<c_fiber>([&] {
          int error = vervet_park(
              &tokens, [](void*) -> int { return tokens.load() == 0; }, nullptr,
              vervet_after(2 * millisecond), VERVET_PARK_OUTSIDE);
          ++(error == ECANCELED ? cuts : wakes);
          int killed = vervet_check_killed();
          EXPECT_TRUE(killed || error != ECANCELED);
        }));
      vervet_yield();
      std::thread stranger([&] {
        for (auto& f : all)
          if (rand_r(&seed) % 2 == 0) f->kill();
        vervet_unpark(&tokens, rand_r(&seed) % 4);
      });
      for (auto& f : all) EXPECT_EQ(f->join(), 0);
      stranger.join();
    }
    EXPECT_EQ(cuts + wakes, rounds);
  };
  std::vector<std::thread> hosts;
  for (unsigned i = 0; i < threads; ++i) hosts.emplace_back(host, i + 1);
  for (auto& t : hosts) t.join();
}

}  // namespace
}  // namespace vervet::testing
