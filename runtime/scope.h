// Scopes: what cuts the waits of a flow short from outside of the call that waits. Deadlines that
// hold for several calls, cancellation from other threads, kills.
//
// A flow's scopes are a chain (flow_state::scopes), innermost first; a spawned fiber's outermost one
// lies in its control block and is what kill() cancels. A wait whose class accepts
// it tells the scopes that it is theirs, then looks whether one is due; who cancels marks the scope,
// then looks whose wait it is: one of the two sees the other.
#pragma once

#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/fiber.h"
#include "runtime/parker.h"
#include "runtime/thread_state.h"
#include "vervet/abi.h"

namespace vervet {

// What the calling flow carries with it.
inline flow_state& own_state() {
  fiber* current = self_state.current;
  return current != nullptr ? current->own : self_state.own;
}

namespace scope {

// The calling flow's innermost scope; null if it has none.
inline vervet_scope* innermost() { return own_state().scopes; }
void set_innermost(vervet_scope* s);

// About to sleep as `self`: lowers `until` to the first deadline that holds. Returns false if a
// scope is due already, and the flow must not sleep.
bool begin_wait(parker& self, deadline& until);
void end_wait();

// Whether one is due for the calling flow.
VERVET_DOOR bool due();
// Whether one with a deadline holds for the calling flow.
bool bounded();

void cancel(vervet_scope& s);

// Marks a fiber's outermost scope and ends the wait that it cuts.
void kill(fiber& f);

// True if the running `f` has entered no scope; the root, which has no deadline, is that of its kills.
inline bool has_none_but_root(const fiber& f) {
  return f.own.scopes == nullptr || f.own.scopes == &f.root;
}

// True if the fiber's kill is all that can cut its waits, and has not come. For the sleeper itself, after it has
// armed: kill() marks, then looks at the fiber's wait, so that nobody need be told whose it is.
inline bool only_kills(const fiber& f) {
  if (f.own.scopes == nullptr) return true;
  return f.own.scopes == &f.root && __atomic_load_n(&f.root.cancelled, __ATOMIC_SEQ_CST) == 0;
}

}  // namespace scope
}  // namespace vervet
