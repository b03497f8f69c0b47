// fork: the child has the calling thread alone, and starts anew.
//
// Whatever another carrier was in the middle of stays half done in the child for ever. So the child
// trusts nothing: it forgets every lock, list and table of the runtime instead of releasing or
// reading them. The little that must survive (the program's actions for signals, key destructors,
// the calling fiber) is kept in forms that are whole at every moment.
//
// No lock of the runtime is held across the system call. libc takes its own locks there, malloc's
// among them, after our prepare handler: a handler of the program that has interrupted malloc on
// another carrier, and now needs a lock that we would hold, would never let go of malloc's.
#pragma once

#include "runtime/door_export.h"

namespace vervet {

// While the runtime is dormant these do nothing. REQUIRES: not inside the runtime.

// In the parent, before: no signal reaches the program until one of the others. The last of all
// prepare handlers, because from there on wrappers pass through.
VERVET_DOOR void fork_prepare();
// In the parent, after.
VERVET_DOOR void fork_parent();
// In the child, before any other handler: the calling fiber goes on as an ordinary main thread on
// its own identity and stack; the runtime sleeps until the child makes its first thread.
VERVET_DOOR void fork_child();

// In the child of a process whose threads are libc's own, with light fibers on them: they are forgotten.
// Its atfork handler does it; may be repeated.
VERVET_DOOR void light_fork_child();

}  // namespace vervet
