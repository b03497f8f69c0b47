// Works of two flows that take turns: the benchmark's own and a partner.
#pragma once

#include <cstdint>

#include "bench/micro/works/work.h"

// Runs `mine()` in the benchmark's loop beside a flow that runs `other()` as long as it returns
// true; `stop()` has that return false. The items are what both have counted in `done`.
template <typename Flows, typename Mine, typename Other, typename Stop>
void duet(benchmark::State& state, int64_t& done, Mine mine, Other other, Stop stop) {
  struct partner {
    Other& other;
    static void* run(void* argument) {
      while (static_cast<partner*>(argument)->other()) {
      }
      return nullptr;
    }
  } second{other};
  typename Flows::handle joined = Flows::spawn(partner::run, &second);
  for (auto _ : state) mine();
  int64_t counted = __atomic_load_n(&done, __ATOMIC_RELAXED);
  stop();
  Flows::join(joined);
  state.SetItemsProcessed(counted);
  if (counted < static_cast<int64_t>(state.iterations())) state.SkipWithError("items are missing");
}
