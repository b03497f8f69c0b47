// What the API's handles refer to: one record per spawned fiber, light or full.
//
// A record outlives its fiber's stack: it is counted, once for the fiber until that has ended and
// once for every handle. Records come from mapped memory that is recycled as records and never
// unmapped.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/list.h"
#include "runtime/lock.h"

struct vervet_fiber;

namespace vervet {

enum class handle_state : uint32_t {
  running,    // not ended yet
  ended,      // its entry returned; the result can be collected
  abandoned,  // its host ended before it: it never runs again
};

// The flows (a hub's light fibers and its host's own flow, or all fibers of one run()) among which
// a deadlock can be told: when each of them waits without a deadline for another one to end,
// nothing from outside can help. What else they may wait for (a descriptor, a mutex, another
// thread's fiber) does not count.
//
// Thread safety: the lock guards every write.
struct join_scope {
  lock mutex;
  uint32_t flows = 0;                   // alive
  uint32_t joining = 0;                 // of them, in a join that only this scope can end
  list<vervet_fiber> joined;            // whom they join
  vervet_fiber* main_target = nullptr;  // whom the main flow joins so, if it does
  // The main flow (a host's own, or run()'s function) has ended: any other one can be told instead.
  std::atomic<bool> main_ended{false};
  // One of those who join this fiber is to be told of a deadlock. Joiners look without the lock.
  std::atomic<vervet_fiber*> told{nullptr};

  // A fiber is about to be spawned here; or was not, after all.
  void add_flow();
  void remove_flow();
};

}  // namespace vervet

struct vervet_fiber : vervet::list_hook {
  // Also the address that joiners sleep on.
  std::atomic<vervet::handle_state> state{vervet::handle_state::running};
  std::atomic<uint32_t> references{0};
  vervet::join_scope* scope = nullptr;
  uint32_t joiners = 0;  // of the same scope; guarded by its lock
  uint32_t process = 0;  // which fork generation it runs in
  bool is_main = false;  // run()'s function
  void* (*entry)(void*) = nullptr;
  void* argument = nullptr;
  void* result = nullptr;
  uint64_t number = 0;  // the n-th spawned fiber of this process
  vervet_fiber* next_free = nullptr;
  char name[16] = {};
};

namespace vervet::handle {

// A record with `references` references; null if memory is short. `name` may be null.
vervet_fiber* make(join_scope& scope, void* (*entry)(void*), void* argument, const char* name,
                   uint32_t references);
void release(vervet_fiber& target);

// The fiber has ended, or never will (state abandoned): wakes the joiners and drops its reference.
void finish(vervet_fiber& target, handle_state state);

// Waits for the end of `target`. 0, ETIMEDOUT, EDEADLK (certain never to end), ECANCELED
// (abandoned).
// Any thread. Inside a runtime_scope.
int join(vervet_fiber& target, deadline until);

// fork, in plain library use: holds the lock of the records; the child's fibers are forgotten.
void acquire_all();
void release_all();
void forget_all();

}  // namespace vervet::handle
