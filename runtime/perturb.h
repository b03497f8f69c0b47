// Seeded disorder for tests: at the points where a race could hide, a kernel thread gives up its CPU or
// dawdles, a fiber yields, a carrier steals before it takes its own, the monitor hands workers over that
// were not stuck. Off unless VERVET_PERTURB gave a seed.
//
// Each kernel thread draws from a sequence of its own, which the seed and its index determine: with one
// worker the same seed makes the same decisions; with more the kernel's scheduling adds its part.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"

namespace vervet {

struct carrier;

namespace perturb {

VERVET_DOOR extern uint64_t seed;  // 0: off
inline bool on() { return seed != 0; }
// Before the runtime wakes. From then on each way out of the runtime is a point where a fiber may yield.
VERVET_DOOR void start(uint64_t with_seed);

// True once in `odds` times, on average; never while off.
VERVET_DOOR bool draw(uint32_t odds);
inline bool chance(uint32_t odds) {
  if (!on()) [[likely]]
    return false;
  return draw(odds);
}

// A point where another thread may come in between.
VERVET_DOOR void dawdle_now();
inline void dawdle() {
  if (on()) [[unlikely]]
    dawdle_now();
}

}  // namespace perturb
}  // namespace vervet
