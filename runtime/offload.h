// Offload: a system call that may block and cannot be waited for runs on a spare carrier's kernel thread
// while the calling fiber is parked.
#pragma once

#include "runtime/door_export.h"

namespace vervet {

struct carrier;

// Runs the raw system call `number` elsewhere and returns its raw result (negated error number).
// The call runs with no identity of the program: nothing that depends on the calling kernel thread
// may be offloaded. Not interruptible: what it points to must outlive it. A light fiber of an OS thread may be
// cut before the call is made: -ECANCELED. REQUIRES: on a fiber, inside a runtime_scope.
VERVET_DOOR long offload(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                         long f = 0);

// The same for a call that ends by itself, and mostly soon (fsync): it does without the pool if that is
// busy already. A carrier that it then keeps for long is relieved by the monitor.
VERVET_DOOR long offload_brief(long number, long a = 0, long b = 0, long c = 0);

// By a carrier without a worker that was given a job: does it, and what waits behind it.
void serve_jobs(carrier& c);

// In a forked child: the pool has no threads and nothing to do.
VERVET_DOOR void offload_forget();

}  // namespace vervet
