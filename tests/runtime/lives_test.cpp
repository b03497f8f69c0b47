// Fibers of several threads begin, end, join, kill and forget each other at random: whose hub, and
// whether the other still lives, is left to chance. Seeded, but for the threads' interleaving.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <random>
#include <thread>

#include "c_fiber.h"
#include "vervet/abi.h"

namespace vervet::testing {
namespace {

constexpr int threads = 3;

// What all know of: handles, each with a share of its own, and hubs.
struct world {
  std::mutex mutex;
  std::array<vervet_fiber*, 32> known{};
  std::array<vervet_hub*, threads> hubs{};
  std::atomic<int> left{6'000};  // lives to be begun
  std::atomic<int> begun{0}, ended{0};

  vervet_fiber* someone(unsigned place) {
    std::lock_guard guard(mutex);
    vervet_fiber* f = known[place % known.size()];
    if (f != nullptr) vervet_retain(f);
    return f;
  }
  void know(vervet_fiber* f, unsigned place) {
    {
      std::lock_guard guard(mutex);
      std::swap(f, known[place % known.size()]);
    }
    vervet_release(f);
  }
  vervet_hub* some_hub(unsigned place) {
    std::lock_guard guard(mutex);
    vervet_hub* hub = hubs[place % threads];
    if (hub != nullptr) vervet_hub_retain(hub);
    return hub;
  }
};

struct life {
  world& in;
  std::mt19937 chance;

  int64_t soon() { return vervet_after(chance() % 100'000); }

  void beget() {
    if (in.left.fetch_sub(1) <= 0) return;
    auto* child = new life{in, std::mt19937(chance())};
    vervet_spawn_options options{};
    options.size = sizeof options;
    options.discard = [](void* argument) {
      delete static_cast<life*>(argument);
    };
    vervet_hub* hub = chance() % 3 == 0 ? in.some_hub(chance()) : nullptr;
    options.hub = hub;
    vervet_fiber* handle = nullptr;
    int error = vervet_spawn(chance() % 8 == 0 ? nullptr : &handle, &options, run, child);
    if (error != 0) {
      EXPECT_EQ(error, ESRCH);
      delete child;
    }
    if (hub != nullptr) vervet_hub_release(hub);
    if (handle != nullptr) in.know(handle, chance());
  }

  void meet(vervet_fiber* other) {
    if (other == nullptr) return;
    if (chance() % 2 == 0) {
      vervet_kill(other);
    } else {
      int error = vervet_join(other, nullptr, soon());
      EXPECT_TRUE(error == 0 || error == ETIMEDOUT || error == ECANCELED || error == EOWNERDEAD ||
                  error == EDEADLK)
          << error;
    }
    vervet_release(other);
  }

  // False if it was killed.
  bool act() {
    switch (chance() % 6) {
      case 0:
        vervet_sleep_until(soon());
        break;
      case 1:
        beget();
        break;
      case 2:
        meet(in.someone(chance()));
        break;
      case 3: {
        vervet_scope scope{chance() % 2 == 0 ? VERVET_SCOPE_SHIELD : 0, 0, soon(), 0,
                           nullptr, nullptr, nullptr};
        vervet_scope_enter(&scope);
        meet(in.someone(chance()));
        vervet_yield();
        vervet_scope_leave(&scope);
        break;
      }
      default:
        for (unsigned i = chance() % 20; i > 0; --i) vervet_yield();
    }
    return vervet_check_killed() == 0;
  }

  static void* run(void* argument) {
    auto* self = static_cast<life*>(argument);
    ++self->in.begun;
    for (unsigned i = self->chance() % 12; i > 0 && self->act(); --i) {
    }
    self->beget();
    ++self->in.ended;
    delete self;
    return nullptr;
  }
};

TEST(Lives, TouchEachOtherAtRandom) {
  world all;
  std::atomic<int> ready{0};
  auto live = [&](unsigned index) {
    vervet_hub* hub = vervet_hub_here();
    vervet_hub_retain(hub);
    {
      std::lock_guard guard(all.mutex);
      all.hubs[index] = hub;
    }
    ++ready;
    while (ready != threads) vervet_sleep_for(millisecond);
    life mine{all, std::mt19937(index)};
    while (all.left > 0) {
      mine.beget();
      mine.act();
    }
    // Some are abandoned: who joins them is told.
    if (index != 0) vervet_sleep_for(5 * millisecond);
    vervet_hub_release(hub);
  };
  std::array<std::thread, threads> those;
  for (unsigned i = 0; i < threads; ++i) those[i] = std::thread(live, i);
  for (std::thread& t : those) t.join();
  for (vervet_fiber* f : all.known) vervet_release(f);
  for (vervet_hub* hub : all.hubs) vervet_hub_release(hub);
  EXPECT_GT(all.ended, 1'000);
  EXPECT_LE(all.ended, all.begun);
}

}  // namespace
}  // namespace vervet::testing
