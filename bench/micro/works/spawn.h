// Flows that do nothing: spawned and joined one at a time, or many and then all of them joined.
#pragma once

#include <cstdio>
#include <cstdint>
#include <vector>

#include "bench/micro/clock.h"
#include "bench/micro/fail.h"
#include "bench/micro/works/work.h"

template <typename Flows>
struct spawning {
  static void* count(void* argument) {
    __atomic_fetch_add(static_cast<int64_t*>(argument), 1, __ATOMIC_RELAXED);
    return nullptr;
  }

  static void one(benchmark::State& state) {
    int64_t ran = 0;
    for (auto _ : state) {
      typename Flows::handle made = Flows::spawn(count, &ran);
      Flows::join(made);
    }
    state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
    if (ran != static_cast<int64_t>(state.iterations())) state.SkipWithError("not all ran");
  }

  // Spawns many, then joins them; false if one has not run.
  static bool batch(std::vector<typename Flows::handle>& made, int64_t size) {
    int64_t ran = 0;
    made.clear();
    for (int64_t i = 0; i < size; ++i) made.push_back(Flows::spawn(count, &ran));
    for (auto& m : made) Flows::join(m);
    return ran == size;
  }

  static void warm(benchmark::State& state) {
    std::vector<typename Flows::handle> made;
    made.reserve(static_cast<std::size_t>(state.range(0)));
    bool good = batch(made, state.range(0));
    for (auto _ : state) good = batch(made, state.range(0)) && good;
    state.SetItemsProcessed(state.range(0) * static_cast<int64_t>(state.iterations()));
    if (!good) state.SkipWithError("not all ran");
  }

  // The first batch of a fresh process.
  static void cold(int64_t size) {
    std::vector<typename Flows::handle> made(static_cast<std::size_t>(size));
    int64_t begin = cpu_time();
    bool good = batch(made, size);
    print("spawn_cold", size, begin);
    if (!good) fail("not all ran");
  }

  // The same, and none may end before all have been spawned: what threads do not ensure otherwise.
  static void alive(int64_t size) {
    struct party {
      typename Flows::event all_spawned;
      int64_t left = 0;
      static void* attend(void* argument) {
        auto& self = *static_cast<party*>(argument);
        self.all_spawned.wait();
        return count(&self.left);
      }
    } all;
    std::vector<typename Flows::handle> made;
    made.reserve(static_cast<std::size_t>(size));
    int64_t begin = cpu_time();
    for (int64_t i = 0; i < size; ++i) made.push_back(Flows::spawn(party::attend, &all));
    all.all_spawned.set();
    for (auto& m : made) Flows::join(m);
    print("spawn_alive", size, begin);
    if (all.left != size) fail("not all ran");
  }

  static void print(const char* name, int64_t size, int64_t begin) {
    auto spent = static_cast<double>(cpu_time() - begin);
    std::printf("row %s %s %lld time %.1f ns\n", name, Flows::subject, static_cast<long long>(size),
                spent / static_cast<double>(size));
  }

  static void add() {
    work("spawn_one", Flows::subject, one)->Arg(1);
    for (int64_t n : {1'000, 100'000})
      if (n <= most<Flows>()) work("spawn_warm", Flows::subject, warm)->Arg(n);
  }
};
