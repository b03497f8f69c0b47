// Light fibers and their hub, from the inside and through the C interface.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/sanitizer.h"
#include "runtime/scheduler.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"
#include "vervet/vervet.h"

namespace vervet {
namespace {

constexpr int64_t millisecond = 1'000'000;

vervet_spawn_options of(size_t stack_size, const char* name) {
  vervet_spawn_options options{};
  options.stack_size = stack_size;
  options.name = name;
  return options;
}

void* return_argument(void* argument) { return argument; }

// A fiber that calls `body`; the handle is released with the object.
class spawned {
 public:
  explicit spawned(std::function<void()> body, vervet_spawn_options options = {})
      : body_(std::move(body)) {
    options.size = sizeof options;
    EXPECT_EQ(vervet_spawn(&handle_, &options, enter, this), 0);
  }
  spawned(const spawned&) = delete;
  ~spawned() { vervet_release(handle_); }

  int join(int64_t deadline = VERVET_NEVER) { return vervet_join(handle_, nullptr, deadline); }
  vervet_fiber* handle() { return handle_; }

 private:
  static void* enter(void* self) {
    static_cast<spawned*>(self)->body_();
    return self;
  }
  std::function<void()> body_;
  vervet_fiber* handle_ = nullptr;
};

// A word to wait on, in the parking lot.
struct gate {
  std::atomic<uint32_t> open{0};

  void wait() {
    auto closed = [this] { return open.load() == 0; };
    while (closed()) lot::park({.address = &open, .validate = closed});
  }
  void release() {
    open = 1;
    lot::unpark(&open, ~0u);
  }
};

TEST(LightFiber, RefusesStacksOutOfRange) {
  vervet_fiber* handle = nullptr;
  vervet_spawn_options options{};
  options.size = sizeof options;
  options.stack_size = 4096;
  EXPECT_EQ(vervet_spawn(&handle, &options, return_argument, nullptr), EINVAL);
  options.stack_size = size_t{1} << 40;
  EXPECT_EQ(vervet_spawn(&handle, &options, return_argument, nullptr), EINVAL);
  EXPECT_EQ(handle, nullptr);
}

TEST(LightFiber, RefusesOptionsOfAnUnknownVersion) {
  vervet_spawn_options options{};
  options.size = 1;
  EXPECT_EQ(vervet_spawn(nullptr, &options, return_argument, nullptr), EINVAL);
}

TEST(LightFiber, RunsWhenItsSpawnerWaitsNotBefore) {
  bool ran = false;
  spawned f([&] { ran = true; });
  EXPECT_FALSE(ran);
  EXPECT_EQ(vervet_has_ended(f.handle()), 0);
  EXPECT_EQ(f.join(), 0);
  EXPECT_TRUE(ran);
  EXPECT_EQ(vervet_has_ended(f.handle()), 1);
}

TEST(LightFiber, NeedsNoHandle) {
  static bool ran;
  ran = false;
  auto entry = [](void*) -> void* {
    ran = true;
    return nullptr;
  };
  ASSERT_EQ(vervet_spawn(nullptr, nullptr, entry, nullptr), 0);
  vervet_yield();
  EXPECT_TRUE(ran);
}

TEST(LightFiber, ResultIsThereForEveryJoin) {
  vervet_fiber* handle;
  int value = 7;
  ASSERT_EQ(vervet_spawn(&handle, nullptr, return_argument, &value), 0);
  for (int i = 0; i < 2; ++i) {
    void* result = nullptr;
    EXPECT_EQ(vervet_join(handle, &result, VERVET_NEVER), 0);
    EXPECT_EQ(result, &value);
  }
  vervet_release(handle);
}

TEST(LightFiber, ThoseSpawnedByABatchRunAfterTheBatch) {
  std::string order;
  std::vector<std::unique_ptr<spawned>> inner;
  std::vector<std::unique_ptr<spawned>> outer;
  for (char c : {'a', 'b', 'c'})
    outer.push_back(std::make_unique<spawned>([&, c] {
      order += c;
      inner.push_back(std::make_unique<spawned>([&, c] { order += static_cast<char>(c - 32); }));
    }));
  for (auto& f : outer) f->join();
  for (auto& f : inner) f->join();
  EXPECT_EQ(order, "abcABC");
}

TEST(LightFiber, YieldGoesBehindAllThatAreRunnable) {
  std::string order;
  spawned a([&] {
    order += '1';
    vervet_yield();
    order += '4';
  });
  spawned b([&] {
    order += '2';
    vervet_yield();
    order += '5';
  });
  vervet_yield();
  order += '3';
  a.join();
  b.join();
  EXPECT_EQ(order, "12345");
}

TEST(LightFiber, YieldAloneReturnsAtOnce) {
  for (int i = 0; i < 1000; ++i) vervet_yield();
  EXPECT_EQ(self_state.current, nullptr);
}

// It ends in time: none of them looks at all others in each of its turns.
TEST(LightFiber, ManyMayBeIdleBesideOneThatWorks) {
  // (ThreadSanitizer knows 8,000 at most.)
  constexpr int idlers = sanitizer::told_of_switches ? 1'000 : 10'000, turns = 100;
  int returned = 0, worked = 0, too_early = 0;
  std::vector<std::unique_ptr<spawned>> idle;
  for (int i = 0; i < idlers; ++i)
    idle.push_back(std::make_unique<spawned>([&] {
      vervet_idle();
      ++returned;
      too_early += worked != turns;
    }));
  spawned work([&] {
    for (; worked < turns; ++worked) vervet_yield();
  });
  EXPECT_EQ(work.join(), 0);
  for (auto& f : idle) EXPECT_EQ(f->join(), 0);
  EXPECT_EQ(returned, idlers);
  EXPECT_EQ(too_early, 0);
}

TEST(LightFiber, SleepersWakeInTheOrderOfTheirDeadlines) {
  std::string order;
  int64_t start = now();
  auto sleeper = [&](char name, int64_t ms) {
    return std::make_unique<spawned>([&order, start, name, ms] {
      vervet_sleep_until(start + ms * millisecond);
      order += name;
    });
  };
  auto a = sleeper('a', 30), b = sleeper('b', 10), c = sleeper('c', 20);
  a->join();
  EXPECT_EQ(order, "bca");
  EXPECT_GE(now() - start, 30 * millisecond);
}

TEST(LightFiber, ADueTimerFiresBesideAFiberThatOnlyYields) {
  bool woke = false;
  spawned sleeper([&] {
    vervet_sleep_for(5 * millisecond);
    woke = true;
  });
  spawned spinner([&] {
    while (!woke) vervet_yield();
  });
  EXPECT_EQ(spinner.join(), 0);
}

TEST(LightFiber, JoinTimesOut) {
  spawned f([] { vervet_sleep_for(50 * millisecond); });
  EXPECT_EQ(f.join(0), ETIMEDOUT);
  EXPECT_EQ(f.join(vervet_after(millisecond)), ETIMEDOUT);
  EXPECT_EQ(f.join(), 0);
}

TEST(LightFiber, JoinallTimesOutForTheWhole) {
  spawned quick([] {});
  spawned slow([] { vervet_sleep_for(60 * millisecond); });
  vervet_fiber* both[] = {quick.handle(), nullptr, slow.handle()};
  EXPECT_EQ(vervet_joinall(both, 3, vervet_after(5 * millisecond)), ETIMEDOUT);
  EXPECT_EQ(vervet_has_ended(quick.handle()), 1);
  EXPECT_EQ(vervet_joinall(both, 3, VERVET_NEVER), 0);
}

TEST(LightFiber, KeepsErrno) {
  errno = 5;
  int seen_a = -1, seen_b = -1;
  spawned a([&] {
    seen_a = errno;
    errno = 1;
    vervet_yield();
    seen_a = seen_a * 10 + errno;
  });
  spawned b([&] {
    errno = 2;
    vervet_sleep_for(millisecond);
    seen_b = errno;
  });
  a.join();
  b.join();
  EXPECT_EQ(seen_a, 1);
  EXPECT_EQ(seen_b, 2);
  EXPECT_EQ(errno, 5);
}

TEST(LightFiber, SharesTheIdentityOfItsHost) {
  static thread_local int value;
  value = 1;
  pthread_t inside{};
  spawned f([&] {
    inside = pthread_self();
    ++value;
  });
  f.join();
  EXPECT_TRUE(pthread_equal(inside, pthread_self()));
  EXPECT_EQ(value, 2);
}

TEST(LightFiber, TheHostsOwnFlowIsAFiberWhileOthersLive) {
  EXPECT_EQ(self_state.current, nullptr);
  fiber* inside = nullptr;
  {
    spawned f([&] { inside = self_state.current; });
    ASSERT_NE(self_state.current, nullptr);
    EXPECT_EQ(self_state.current->kind, fiber_kind::light);
    EXPECT_NE(self_state.current->handle, f.handle());
    f.join();
    EXPECT_NE(inside, nullptr);
  }
  EXPECT_EQ(self_state.current, nullptr);
  EXPECT_EQ(self_state.in_runtime, 0u);
}

TEST(LightFiber, OneThatParksInsideTheRuntimeLeavesOthersOutside) {
  gate g;
  uint32_t depth = 99;
  spawned parks([&] {
    runtime_scope scope;
    g.wait();
    depth = self_state.in_runtime;
  });
  uint32_t seen = 99;
  spawned looks([&] {
    seen = self_state.in_runtime;
    g.release();
  });
  parks.join();
  looks.join();
  EXPECT_EQ(seen, 0u);
  EXPECT_EQ(depth, 1u);
}

[[gnu::noinline]] size_t recurse(size_t bytes) {
  volatile char frame[1024];
  frame[0] = 1;
  return bytes <= sizeof frame ? frame[0] : recurse(bytes - sizeof frame) + frame[0];
}

TEST(LightFiber, HasTheStackItAskedFor) {
  size_t depth = 0;
  spawned f([&] { depth = recurse(3 << 19); }, of(4 << 20, "deep"));
  f.join();
  EXPECT_EQ(depth, size_t{3 << 19} / 1024);
}

#if !defined(VERVET_ASAN) && !defined(VERVET_TSAN)  // they report the overflow themselves
TEST(LightFiber, AnOverflowIsToldOfBeforeItKills) {
  auto overflow = [] {
    spawned f([] { recurse(1 << 20); });
    f.join();
  };
  EXPECT_EXIT(overflow(), testing::KilledBySignal(SIGSEGV),
              "vervet: fiber [0-9]+ overflowed its stack of [0-9]+ bytes");
}
#endif

TEST(LightFiber, StacksAreReused) {
  void* first = nullptr;
  for (int i = 0; i < 1000; ++i) {
    void* at = nullptr;
    spawned f([&] { at = __builtin_frame_address(0); });
    f.join();
    if (first == nullptr) first = at;
    EXPECT_EQ(at, first) << i;
  }
}

TEST(LightFiber, AHundredThousandAtOnce) {
#ifdef VERVET_TSAN
  constexpr unsigned count = 2000;  // TSan has room for 8,000 flows
#else
  constexpr unsigned count = 100'000;
#endif
  static std::atomic<unsigned> arrived;
  static gate g;
  arrived = 0;
  g.open = 0;
  std::vector<vervet_fiber*> all(count);
  auto entry = [](void* argument) {
    ++arrived;
    g.wait();
    return argument;
  };
  for (auto& f : all) ASSERT_EQ(vervet_spawn(&f, nullptr, entry, nullptr), 0);
  vervet_yield();
  EXPECT_EQ(arrived, count);
  g.release();
  EXPECT_EQ(vervet_joinall(all.data(), all.size(), VERVET_NEVER), 0);
  for (auto* f : all) vervet_release(f);
}

TEST(LightFiber, JoiningItselfIsADeadlock) {
  vervet_fiber* own = nullptr;
  int error = 0;
  spawned f([&] { error = vervet_join(own, nullptr, VERVET_NEVER); });
  own = f.handle();
  f.join();
  EXPECT_EQ(error, EDEADLK);
}

TEST(LightFiber, WhenAllWaitForEachOtherTheHostsFlowIsTold) {
  vervet_fiber *first = nullptr, *second = nullptr;
  spawned a([&] { vervet_join(second, nullptr, vervet_after(400 * millisecond)); });
  first = a.handle();
  int told = 0;
  std::thread([&] {
    vervet_fiber *x = nullptr, *y = nullptr;
    spawned f([&] { vervet_join(y, nullptr, VERVET_NEVER); });
    spawned g([&] { vervet_join(x, nullptr, VERVET_NEVER); });
    x = f.handle();
    y = g.handle();
    told = f.join();
    if (told == EDEADLK) told += g.join();
  }).join();
  EXPECT_EQ(told, 2 * EDEADLK);
  // A wait with a deadline is no deadlock.
  spawned b([&] { vervet_join(first, nullptr, VERVET_NEVER); });
  second = b.handle();
  EXPECT_EQ(b.join(), 0);
}

TEST(LightFiber, TheHostsFlowIsToldWhenTheLastOneThatCouldHelpHasEnded) {
  int told = 0;
  std::thread([&] {
    vervet_fiber *x = nullptr, *y = nullptr;
    spawned f([&] { vervet_join(y, nullptr, VERVET_NEVER); });
    spawned g([&] { vervet_join(x, nullptr, VERVET_NEVER); });
    spawned helper([] { vervet_sleep_for(5 * millisecond); });
    x = f.handle();
    y = g.handle();
    told = f.join();
  }).join();
  EXPECT_EQ(told, EDEADLK);
}

TEST(LightFiber, IsReadiedByAnotherThreadWhileItsHostSleeps) {
  gate g;
  std::thread other([&] {
    usleep(20'000);
    g.release();
  });
  spawned f([&] { g.wait(); });
  EXPECT_EQ(f.join(), 0);
  other.join();
}

TEST(LightFiber, IsJoinedByAnotherThread) {
  gate g;
  spawned f([&] { g.wait(); });
  int error = -1;
  std::thread other([&] { error = f.join(); });
  std::thread opener([&] {
    usleep(10'000);
    g.release();
  });
  EXPECT_EQ(f.join(), 0);
  other.join();
  opener.join();
  EXPECT_EQ(error, 0);
}

TEST(LightFiber, ThreadsReadyEachOthersFibersALot) {
  constexpr int rounds = 2000;
  struct alignas(64) cell {
    std::atomic<uint32_t> turn{0};
  };
  static cell cells[4];
  for (auto& c : cells) c.turn = 0;
  // Pairs of fibers on different threads hand a turn to and fro.
  auto player = [](std::atomic<uint32_t>& turn, uint32_t parity) {
    for (int i = 0; i < rounds; ++i) {
      auto not_mine = [&] { return turn.load() % 2 != parity; };
      while (not_mine()) lot::park({.address = &turn, .validate = not_mine});
      ++turn;
      lot::unpark(&turn, ~0u);
    }
  };
  auto host = [&](uint32_t parity) {
    std::vector<std::unique_ptr<spawned>> all;
    for (auto& c : cells) all.push_back(std::make_unique<spawned>([&] { player(c.turn, parity); }));
    for (auto& f : all) f->join();
  };
  std::thread one(host, 0), two(host, 1);
  one.join();
  two.join();
  for (auto& c : cells) EXPECT_EQ(c.turn, 2u * rounds);
}

TEST(LightFiber, AThreadThatEndsAbandonsItsFibers) {
  vervet_fiber* left = nullptr;
  std::atomic<bool> joining{false};
  int error = 0;
  std::thread joiner([&] {
    while (!joining) usleep(100);
    error = vervet_join(left, nullptr, VERVET_NEVER);
  });
  static gate never_opened;
  std::thread([&] {
    auto entry = [](void* argument) {
      never_opened.wait();
      return argument;
    };
    ASSERT_EQ(vervet_spawn(&left, nullptr, entry, nullptr), 0);
    vervet_yield();
    joining = true;
    usleep(10'000);
  }).join();
  joiner.join();
  EXPECT_EQ(error, EOWNERDEAD);
  EXPECT_EQ(vervet_join(left, nullptr, VERVET_NEVER), EOWNERDEAD);
  EXPECT_EQ(vervet_has_ended(left), 0);
  vervet_release(left);
}

int status_of(pid_t child) {
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(LightFiber, AForkedChildHasTheCallingFlowAlone) {
  bool other_ran = false;
  spawned other([&] {
    vervet_yield();
    other_ran = true;
  });
  vervet_yield();
  pid_t child = fork();
  if (child == 0) {
    int error = other.join();
    bool fresh_ran = false;
    spawned fresh([&] { fresh_ran = true; });
    fresh.join();
    _exit(error == EOWNERDEAD && !other_ran && fresh_ran ? 0 : 1);
  }
  EXPECT_EQ(status_of(child), 0);
  other.join();
  EXPECT_TRUE(other_ran);
}

#ifndef VERVET_TSAN  // TSan does not follow a fork on a fiber's stack
TEST(LightFiber, AChildForkedByAFiberExitsWhenThatEnds) {
  static pid_t child;
  std::atexit([] {
    if (child == 0 && getpid() != getppid()) _exit(3);
  });
  bool returned = false;
  spawned f([&] { child = fork(); });
  f.join();
  returned = true;
  if (child == 0) _exit(9);  // the host's own flow must not go on in the child
  EXPECT_EQ(status_of(child), 3);
  EXPECT_TRUE(returned);
}
#endif

// Light fibers on full fibers as hosts.
class HostedByFullFibers : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override { ASSERT_EQ(scheduler::start({.workers = GetParam()}), 0); }
  void TearDown() override {
    while (thread::alive_count() != 0) usleep(100);
    EXPECT_EQ(scheduler::stop(), 0);
  }
  static void on_full_fiber(std::function<void()> body) {
    struct call {
      std::function<void()> body;
      gate done;
    } c{std::move(body), {}};
    auto start = [](void* argument) -> void* {
      auto& inside = *static_cast<call*>(argument);
      inside.body();
      inside.done.release();
      return nullptr;
    };
    pthread_t unused;
    {
      runtime_scope scope;
      thread::options o{.stack_size = 256 * 1024, .detached = true};
      ASSERT_EQ(thread::create(&unused, o, start, &c), 0);
    }
    c.done.wait();
  }
};

TEST_P(HostedByFullFibers, SleepWhileTheirHostIsParked) {
  std::string order;
  bool was_light = false, host_again = false;
  on_full_fiber([&] {
    fiber* host = self_state.current;
    int64_t start = now();
    spawned a([&] {
      was_light = self_state.current->kind == fiber_kind::light && thread::self() == host;
      vervet_sleep_until(start + 20 * millisecond);
      order += 'a';
    });
    spawned b([&] {
      vervet_sleep_until(start + 10 * millisecond);
      order += 'b';
    });
    a.join();
    host_again = self_state.current == host && self_state.in_runtime == 0;
  });
  EXPECT_EQ(order, "ba");
  EXPECT_TRUE(was_light);
  EXPECT_TRUE(host_again);
}

TEST_P(HostedByFullFibers, TwoHostsHandTurnsToAndFro) {
  std::atomic<uint32_t> turn{0};
  constexpr uint32_t rounds = 2000;
  auto player = [&](uint32_t parity) {
    for (uint32_t i = 0; i < rounds; ++i) {
      auto not_mine = [&] { return turn.load() % 2 != parity; };
      while (not_mine()) lot::park({.address = &turn, .validate = not_mine});
      ++turn;
      lot::unpark(&turn, ~0u);
    }
  };
  std::thread other([&] {
    on_full_fiber([&] {
      spawned f([&] { player(0); });
      f.join();
    });
  });
  on_full_fiber([&] {
    spawned f([&] { player(1); });
    f.join();
  });
  other.join();
  EXPECT_EQ(turn, 2 * rounds);
}

TEST_P(HostedByFullFibers, AHostWhoseFibersOnlyYieldLetsItsNeighboursRun) {
  std::atomic<bool> stop{false};
  std::thread other([&] {
    usleep(5'000);
    on_full_fiber([&] { stop = true; });
  });
  on_full_fiber([&] {
    spawned f([&] {
      while (!stop) vervet_yield();
    });
    f.join();
  });
  other.join();
}

INSTANTIATE_TEST_SUITE_P(Workers, HostedByFullFibers, testing::Values(1u, 2u));

}  // namespace
}  // namespace vervet
