// The lives of spawned fibers, light or full: how they run, end, are joined and killed.
#pragma once

#include "runtime/deadline.h"
#include "runtime/deadlock.h"
#include "runtime/fiber.h"
#include "runtime/fiber_record.h"
#include "runtime/parking_lot.h"

namespace vervet::handle {

// All fibers of the run() that is going on, if one is.
extern flow_set run_set;

// Which set a fiber's flow is one of. REQUIRES: it has not ended, or it is the caller.
flow_set& set_of(const vervet_fiber& target);

// The fiber asks its waits to end (scope.h). False if it has ended.
bool kill(vervet_fiber& target);

// Parks for a wait of the API: scopes cut it, signal handlers run meanwhile, and if it has no
// deadline it is a closed wait. `set`: whose flows alone can end it; null if others can, too.
lot::outcome park_api(lot::request request, const flow_set* ended_by);

// The life of a fiber, by itself, in the program's code: waits for its start, calls its entry, or
// what stands in for it if it was killed before.
void run_late(fiber& self);
inline void run(fiber& self) {
  self.own.scopes = &self.root;
  bool killed = __atomic_load_n(&self.root.cancelled, __ATOMIC_RELAXED) != 0;
  if (self.call.start == 0 && !killed) [[likely]]
    self.handle->result = self.call.entry(self.call.argument);
  else
    run_late(self);
  self.own.scopes = nullptr;
}

// The fiber has ended, or never will (state abandoned): wakes the joiners and drops its reference.
void finish(vervet_fiber& target, handle_state state);

// Waits for the end of `target`. 0, ETIMEDOUT, EDEADLK (certain never to end), EOWNERDEAD
// (abandoned), ECANCELED (cut).
// Any thread. Inside a runtime_scope.
int join(vervet_fiber& target, deadline until);

}  // namespace vervet::handle
