// N flows that do nothing but give way to the next.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/micro/works/work.h"

template <typename Flows>
struct switching {
  struct ring {
    bool stop = false;
    int64_t turns = 0;
  };

  static void* turn(void* argument) {
    auto& r = *static_cast<ring*>(argument);
    while (!__atomic_load_n(&r.stop, __ATOMIC_RELAXED)) {
      __atomic_store_n(&r.turns, r.turns + 1, __ATOMIC_RELAXED);
      Flows::yield();
    }
    return nullptr;
  }

  static void run(benchmark::State& state) {
    ring r;
    std::vector<typename Flows::handle> others;
    for (int64_t i = 1; i < state.range(0); ++i) others.push_back(Flows::spawn(turn, &r));
    Flows::yield();  // all of them begin
    r.turns = 0;
    for (auto _ : state) {
      __atomic_store_n(&r.turns, r.turns + 1, __ATOMIC_RELAXED);
      Flows::yield();
    }
    int64_t turns = r.turns;
    __atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
    for (auto& other : others) Flows::join(other);
    state.SetItemsProcessed(turns);
    // Each round is a turn of everybody, but where the kernel schedules: it may see it otherwise.
    constexpr bool by_kernel = requires { Flows::scheduled_by_kernel; };
    if (turns < static_cast<int64_t>(state.iterations()) * (by_kernel ? 1 : state.range(0)))
      state.SkipWithError("not everybody had a turn in each round");
  }

  static void add() {
    for (int64_t n : {2, 1'000, 10'000, 100'000})
      if (n <= most<Flows>()) work("switch", Flows::subject, run)->Arg(n);
  }
};
