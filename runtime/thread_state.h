// What the runtime keeps per identity, in TLS. Initial-exec: one instruction to read, right on
// whichever kernel thread the identity runs, and safe inside signal handlers.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"
#include "runtime/parker.h"

struct vervet_scope;

namespace vervet {

struct fiber;
struct carrier;
class light_hub;

// What follows a flow of control, wherever it runs. A fiber's lies in its control block.
struct flow_state {
  vervet_scope* scopes;  // innermost first (scope.h)
  void* local;           // for the API's locals
};

struct thread_state {
  // The fiber that runs here. Null on carriers' own identities and on threads that are not ours.
  // In a full fiber's TLS: itself, for ever (or the light fiber that it hosts at the moment).
  fiber* current;
  // Non-zero while this identity is inside the runtime: wrappers pass through, signal handlers are
  // deferred, the monitor keeps away. A parked fiber's word stays set; its resumption clears it.
  uint32_t in_runtime;
  uint32_t in_lasting_call; // non-zero inside a program_scope: not to be preempted there
  fiber* host;              // the full fiber whose identity this is; null elsewhere
  carrier* home_of;         // on a carrier's own identity: the carrier
  light_hub* hub;           // the hub of light fibers hosted by this identity, if any
  flow_state own;           // of the identity's flow while that is no fiber
};

VERVET_DOOR extern constinit thread_local thread_state self_state
    __attribute__((tls_model("initial-exec")));

// True while the caller is a fiber running the program's code: the wrappers' passthrough test.
inline bool on_fiber() { return self_state.current != nullptr && self_state.in_runtime == 0; }

// The same, and the identity is a full fiber's, so the runtime has what goes with one: a carrier, a
// place for signals. The light fibers of an OS thread have an identity that libc and the kernel know.
inline bool on_full_fiber() { return on_fiber() && self_state.host != nullptr; }

// False as long as the process has no fiber, and again in a forked child: where it is false,
// wrappers pass through.
VERVET_DOOR extern std::atomic<bool> fibers_exist;

// Signals and cancellations that are due on this fiber. Called when in_runtime returns to zero.
VERVET_DOOR void run_deferred();
VERVET_DOOR extern std::atomic<uint32_t> deferred_work;  // how many signals wait for a fiber

// The entry to and exit from the runtime. Nests. Every wrapper that does more than pass through
// opens one; what it calls in the program (a once routine, a handler) is outside of it.
class runtime_scope {
 public:
  runtime_scope() { enter(); }
  ~runtime_scope() { leave(); }
  runtime_scope(const runtime_scope&) = delete;
  runtime_scope& operator=(const runtime_scope&) = delete;

  static void enter() {
    self_state.in_runtime = self_state.in_runtime + 1;
    __asm__ volatile("" ::: "memory");  // a handler on this thread sees the word before what follows
  }
  static void leave() {
    __asm__ volatile("" ::: "memory");
    uint32_t depth = self_state.in_runtime - 1;
    self_state.in_runtime = depth;
    __asm__ volatile("" ::: "memory");
    if (depth == 0 && deferred_work.load(std::memory_order_relaxed) != 0) [[unlikely]]
      run_deferred();
  }
};

// The reverse, for a system call of the program's that may last: it is made outside of the runtime, so that
// signals find the fiber in the program's code and its worker may go to another carrier.
class program_scope {
 public:
  program_scope() : depth_(self_state.in_runtime) {
    __asm__ volatile("" ::: "memory");
    self_state.in_lasting_call = self_state.in_lasting_call + 1;
    self_state.in_runtime = 0;
    __asm__ volatile("" ::: "memory");
    if (deferred_work.load(std::memory_order_relaxed) != 0) [[unlikely]]
      run_deferred();
  }
  ~program_scope() {
    self_state.in_runtime = depth_;
    self_state.in_lasting_call = self_state.in_lasting_call - 1;
    __asm__ volatile("" ::: "memory");
  }
  program_scope(const program_scope&) = delete;
  program_scope& operator=(const program_scope&) = delete;

 private:
  uint32_t depth_;
};

}  // namespace vervet
