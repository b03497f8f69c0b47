// What the API's handles refer to: one record per spawned fiber, light or full.
//
// A record outlives its fiber's stack: it is counted, once for the fiber until that has ended and
// once for every handle. Records come from mapped memory that is recycled as records and never
// unmapped.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/deadlock.h"
#include "runtime/parking_lot.h"
#include "vervet/abi.h"

namespace vervet {

enum class handle_state : uint32_t {
  running,    // not ended yet
  ended,      // its entry returned; the result can be collected
  abandoned,  // its host ended before it: it never runs again
};

}  // namespace vervet

struct vervet_fiber {
  // Also the address that joiners sleep on.
  std::atomic<vervet::handle_state> state{vervet::handle_state::running};
  std::atomic<uint32_t> references{0};
  vervet::flow_set* set = nullptr;
  uint32_t process = 0;  // which fork generation it runs in
  bool is_main = false;  // run()'s function
  std::atomic<uint32_t> killers{0};  // calls of vervet_kill() that are under way
  vervet_scope root = {VERVET_NEVER, 0, 0, 0, nullptr, nullptr, nullptr};  // its kills (scope.h)
  vervet::deadline start = 0;  // not before
  void (*discard)(void*) = nullptr;  // in the entry's place if it is killed before its start
  void* (*entry)(void*) = nullptr;
  void* argument = nullptr;
  void* result = nullptr;
  uint64_t number = 0;  // the n-th spawned fiber of this process
  vervet_fiber* next_free = nullptr;
  char name[16] = {};
};

namespace vervet::handle {

// A record with `references` references; null if memory is short. `name` may be null.
vervet_fiber* make(flow_set& set, void* (*entry)(void*), void* argument, const char* name,
                   uint32_t references);
void release(vervet_fiber& target);

// Parks for a wait of the API: scopes cut it, signal handlers run meanwhile, and if it has no
// deadline it is a closed wait. `set`: whose flows alone can end it; null if others can, too.
lot::outcome park_api(lot::request request, const flow_set* ended_by);

// The life of a fiber, by itself, in the program's code: waits for its start, calls its entry, or
// what stands in for it if it was killed before.
void run(vervet_fiber& own);

// The fiber has ended, or never will (state abandoned): wakes the joiners and drops its reference.
void finish(vervet_fiber& target, handle_state state);

// Waits for the end of `target`. 0, ETIMEDOUT, EDEADLK (certain never to end), EOWNERDEAD
// (abandoned), ECANCELED (cut).
// Any thread. Inside a runtime_scope.
int join(vervet_fiber& target, deadline until);

struct counts {
  uint64_t spawned;  // records made, in this process and those it was forked from
  uint64_t alive;    // of those, not finished
};
counts count();

// fork, in plain library use: holds the lock of the records; the child's fibers are forgotten.
void acquire_all();
void release_all();
void forget_all();

}  // namespace vervet::handle
