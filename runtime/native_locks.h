// Where code may hold a lock that fibers do not know of, libc's own: a fiber must not be preempted
// there, because the runtime itself takes some of them when it makes a kernel thread.
#pragma once

#include <stdint.h>

namespace vervet {

// Learns where libc, the loader and the process's malloc lie. Once, before there is a second thread.
void native_locks_start();

// True if the instruction lies in one of them. Async-signal-safe.
bool may_hold_native_lock(uintptr_t instruction);

}  // namespace vervet
