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

// Somebody joins `ended` from elsewhere, or kills it at this moment.
void end_was_awaited(vervet_fiber& ended);

// The fiber has ended, or never will (state abandoned): wakes who joins it from elsewhere, and drops its
// reference. `set`: which its flow was one of. `own`: of the hub that it ran on, if it did on one.
inline void finish(vervet_fiber& target, handle_state state, flow_set& set, record::cache* own) {
  if ((target.marks.load(std::memory_order_relaxed) & target.is_main) != 0) [[unlikely]]
    set.main_ends();
  bool was_last = record::end(own, target, state);
  // From here on somebody else may have it, and it may be another fiber's. But who sleeps until this end
  // holds it.
  if (target.marks.load(std::memory_order_seq_cst) != 0) [[unlikely]]
    end_was_awaited(target);
  // Not before: the joiners would count as waiting, and nobody to wake them.
  set.remove_flow();
  if (was_last) record::give(own, target);
}

// Waits for the end of `target`. 0, ETIMEDOUT, EDEADLK (certain never to end), EOWNERDEAD
// (abandoned), ECANCELED (cut).
// Any thread. Inside a runtime_scope. (The first wait for a fiber of one's own hub: light_join.h.)
int join_otherwise(vervet_fiber& target, deadline until);
// The same for who has waited once and was woken for `reason`.
int join_after(vervet_fiber& target, deadline until, wake_reason reason);

}  // namespace vervet::handle
