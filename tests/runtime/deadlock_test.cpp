// Waits that certainly never end are told, others are not.
#include <atomic>
#include <cerrno>
#include <thread>

#include <unistd.h>

#include "runtime/scheduler.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"
#include "tests/runtime/c_fiber.h"

namespace vervet::testing {
namespace {

int word;

int park(int64_t deadline = VERVET_NEVER) {
  return vervet_park(&word, nullptr, nullptr, deadline, 0);
}

// Each in a process of its own, which has one thread: whether it has is what decides.
#define IN_A_PROCESS(condition) EXPECT_EXIT(_exit((condition) ? 0 : 1), ::testing::ExitedWithCode(0), "")

TEST(Deadlock, AThreadWithoutFibersThatWaitsForNobody) { IN_A_PROCESS(park() == EDEADLK); }

TEST(Deadlock, AThreadWithoutFibersThatIsTheLastOne) {
  IN_A_PROCESS([] {
    std::thread([] {}).join();
    return park() == EDEADLK;
  }());
}

TEST(Deadlock, AThreadWithoutFibersIsWokenByTheLastOtherThread) {
  IN_A_PROCESS([] {
    static std::atomic<int> open{0};
    std::thread helper([] {
      usleep(30'000);
      open = 1;
      vervet_unpark(&open, 1);
    });
    auto closed = [](void*) -> int { return open == 0; };
    int error = 0;
    while (open == 0 && error == 0) error = vervet_park(&open, closed, nullptr, VERVET_NEVER, 0);
    helper.join();
    return error == 0;
  }());
}

TEST(Deadlock, WhoCannotValidateLooksHimselfNowAndThen) {
  IN_A_PROCESS([] {
    std::atomic<bool> done{false};
    std::thread other([&] {
      while (!done) usleep(1000);
    });
    // There is another thread: an end for nothing, at the first look.
    int error = park();
    done = true;
    other.join();
    return error == 0;
  }());
}

TEST(Deadlock, TheHostsFlowIsToldWhenAllWait) {
  IN_A_PROCESS([] {
    int inner = 0;
    c_fiber f([&] { inner = park(); });
    int told = park();
    vervet_unpark(&word, 1);
    f.join();
    return told == EDEADLK && inner == 0;
  }());
}

TEST(Deadlock, JoiningWhoWaitsForNobodyIsOne) {
  IN_A_PROCESS([] {
    c_fiber f([] { park(); });
    return f.join() == EDEADLK;
  }());
}

TEST(Deadlock, AWaitWithADeadlineIsNone) {
  IN_A_PROCESS([] {
    c_fiber f([] { park(vervet_after(5 * millisecond)); });
    return f.join() == 0;
  }());
}

TEST(Deadlock, ATimeoutAroundTheWaitIsNone) {
  IN_A_PROCESS([] {
    vervet_scope s{};
    s.deadline = vervet_after(5 * millisecond);
    vervet_scope_enter(&s);
    c_fiber f([] {});
    int error = park();
    vervet_take_cut(nullptr);
    vervet_scope_leave(&s);
    return error == ECANCELED && f.join() == 0;
  }());
}

TEST(Deadlock, AnotherThreadMayHelp) {
  std::atomic<bool> waits{false};
  std::thread helper([&] {
    while (!waits) usleep(100);
    usleep(20'000);
    while (vervet_unpark(&word, 1) == 0) usleep(100);
  });
  c_fiber f([&] {
    waits = true;
    EXPECT_EQ(park(), 0);
  });
  EXPECT_EQ(f.join(), 0);
  helper.join();
}

TEST(Deadlock, InsideRunItsFunctionIsTold) {
  for (unsigned workers : {1u, 2u}) {
    static int told, inner;
    told = inner = -1;
    vervet_run_options options{sizeof options, workers};
    auto main = [](void*) -> void* {
      c_fiber f([] { inner = park(); });
      told = park();
      vervet_unpark(&word, 1);
      f.join();
      return nullptr;
    };
    EXPECT_EQ(vervet_run(&options, main, nullptr, nullptr), 0);
    EXPECT_EQ(told, EDEADLK) << workers;
    EXPECT_EQ(inner, 0);
  }
}

TEST(Deadlock, AnotherFullFiberMayHelpALightOne) {
  static int told, joined_light, joined_full;
  told = joined_light = joined_full = -1;
  vervet_run_options options{sizeof options, 2};
  auto main = [](void*) -> void* {
    c_fiber full([] {
      vervet_sleep_for(20 * millisecond);
      while (vervet_unpark(&word, 1) == 0) vervet_sleep_for(millisecond);
      vervet_sleep_for(20 * millisecond);
    });
    vervet_spawn_options light{};
    light.kind = VERVET_LIGHT;
    c_fiber hosted([] { told = park(); }, light);
    joined_light = hosted.join();
    joined_full = full.join();
    return nullptr;
  };
  EXPECT_EQ(vervet_run(&options, main, nullptr, nullptr), 0);
  EXPECT_EQ(told, 0);
  EXPECT_EQ(joined_light, 0);
  EXPECT_EQ(joined_full, 0);
}

// No worker has it, so the workers may all be idle before it runs.
TEST(Deadlock, AWiredFiberThatWasWokenMayHelp) {
  static int failures;
  failures = 0;
  vervet_run_options options{sizeof options, 1};
  auto main = [](void*) -> void* {
    static int theirs, mine;
    constexpr int rounds = 200;
    c_fiber wired([] {
      {
        runtime_scope scope;
        if (!scheduler::wire(*thread::self())) ++failures;
      }
      for (int i = 0; i < rounds; ++i) {
        if (vervet_park(&theirs, nullptr, nullptr, VERVET_NEVER, 0) != 0) ++failures;
        while (vervet_unpark(&mine, 1) == 0) usleep(10);
      }
    });
    for (int i = 0; i < rounds; ++i) {
      while (vervet_unpark(&theirs, 1) == 0) vervet_sleep_for(millisecond / 10);
      while (vervet_park(&mine, nullptr, nullptr, VERVET_NEVER, 0) != 0) ++failures;
    }
    wired.join();
    return nullptr;
  };
  EXPECT_EQ(vervet_run(&options, main, nullptr, nullptr), 0);
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace vervet::testing
