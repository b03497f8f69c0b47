// What a stack of one's own is for: waits deep in calls, and in the middle of an exception.
#pragma once

#include <stdexcept>

#include "bench/micro/works/duet.h"

template <typename Flows>
struct on_stack {
  // N calls down, a switch, N returns.
  __attribute__((noinline)) static void descend(int64_t levels) {
    if (levels == 0) return Flows::yield();
    descend(levels - 1);
    asm volatile("");  // not a tail call
  }

  static void depth(benchmark::State& state) {
    int64_t turns = 0;
    bool stop = false;
    auto go = [&] {
      __atomic_store_n(&turns, turns + 1, __ATOMIC_RELAXED);
      descend(state.range(0));
      return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
    };
    duet<Flows>(state, turns, go, go, [&] { __atomic_store_n(&stop, true, __ATOMIC_RELAXED); });
  }

  // Each throws, and gives way to the other while he handles it.
  static void exception(benchmark::State& state) {
    int64_t caught = 0;
    bool stop = false, good = true;
    auto go = [&](const char* text) {
      try {
        throw std::runtime_error(text);
      } catch (const std::runtime_error& error) {
        Flows::yield();
        good = error.what()[0] == text[0] && std::current_exception() && good;
        __atomic_store_n(&caught, caught + 1, __ATOMIC_RELAXED);
      }
      return !__atomic_load_n(&stop, __ATOMIC_RELAXED);
    };
    duet<Flows>(
        state, caught, [&] { go("mine"); }, [&] { return go("the other's"); },
        [&] { __atomic_store_n(&stop, true, __ATOMIC_RELAXED); });
    if (!good) state.SkipWithError("another flow's exception");
  }

  // There, to a kernel thread, and back.
  static void offload(benchmark::State& state) {
    int64_t calls = 0;
    for (auto _ : state)
      Flows::offload([](void* count) -> void* { return ++*static_cast<int64_t*>(count), nullptr; },
                     &calls);
    state.SetItemsProcessed(calls);
    if (calls != static_cast<int64_t>(state.iterations())) state.SkipWithError("calls are missing");
  }

  static void add() {
    work("depth", Flows::subject, depth)->Arg(1)->Arg(10)->Arg(100);
    // The others share the state of the exceptions that are being handled between all flows.
    if constexpr (requires { Flows::keeps_exceptions; })
      work("exception", Flows::subject, exception)->Arg(2);
    if constexpr (requires { Flows::offload(nullptr, nullptr); })
      work("offload", Flows::subject, offload)->Arg(1);
  }
};
