#include "runtime/perturb.h"

#include "runtime/carrier.h"
#include "runtime/fiber.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet::perturb {

uint64_t seed;

namespace {

// Threads that are no carriers share one; torn updates only make it more random.
uint64_t others;

uint64_t& sequence() {
  carrier* c = self_state.host != nullptr ? self_state.host->on : self_state.home_of;
  uint64_t& state = c != nullptr ? c->random : others;
  if (state == 0) state = (seed + (c != nullptr ? c->index + 1 : 0)) * 0x9e3779b97f4a7c15u | 1;
  return state;
}

uint32_t next() {
  uint64_t& state = sequence();
  uint64_t s = __atomic_load_n(&state, __ATOMIC_RELAXED);
  s ^= s << 13;
  s ^= s >> 7;
  s ^= s << 17;
  __atomic_store_n(&state, s, __ATOMIC_RELAXED);
  return static_cast<uint32_t>(s >> 32);
}

}  // namespace

void start(uint64_t with_seed) {
  seed = with_seed;
  // As if something were always deferred: what runs then draws for a yield.
  if (seed != 0) deferred_work.fetch_add(1, std::memory_order_relaxed);
}

bool draw(uint32_t odds) { return next() % odds == 0; }

void dawdle_now() {
  uint32_t drawn = next();
  if (drawn % 8 == 0) {
    sys::call(SYS_sched_yield);
  } else if (drawn % 8 == 1) {
    for (uint32_t turns = drawn >> 3 & 1023; turns != 0; --turns) __builtin_ia32_pause();
  } else if (drawn % 512 == 2) {
    timespec moment{0, drawn >> 9 & 0xffff};
    sys::call(SYS_nanosleep, sys::word(&moment), 0);
  }
}

}  // namespace vervet::perturb
