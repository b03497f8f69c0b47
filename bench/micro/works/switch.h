// N flows that do nothing but give way to the next. All by the same loop: a return to where another flow had
// called from would be mispredicted, and is no part of a switch.
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

  static constexpr int64_t turns_in_a_row = 1'000;

  [[gnu::noinline]] static void take_turns(ring& r, int64_t count) {
    for (int64_t i = 0; i < count && !__atomic_load_n(&r.stop, __ATOMIC_RELAXED); ++i) {
      __atomic_store_n(&r.turns, r.turns + 1, __ATOMIC_RELAXED);
      Flows::yield();
    }
  }

  static void* turn(void* argument) {
    auto& r = *static_cast<ring*>(argument);
    while (!__atomic_load_n(&r.stop, __ATOMIC_RELAXED)) take_turns(r, turns_in_a_row);
    return nullptr;
  }

  static void run(benchmark::State& state) {
    ring r;
    std::vector<typename Flows::handle> others;
    for (int64_t i = 1; i < state.range(0); ++i) others.push_back(Flows::spawn(turn, &r));
    Flows::yield();  // all of them begin
    r.turns = 0;
    int64_t in_a_row = state.range(0) < turns_in_a_row ? turns_in_a_row : 1;
    while (state.KeepRunningBatch(in_a_row)) take_turns(r, in_a_row);
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
