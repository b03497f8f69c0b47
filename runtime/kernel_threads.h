// Reaching kernel threads through signal 33, which libc keeps for the same purpose (SIGSETXID).
//
// Our handler replaces libc's, which would look into the identity that the thread pointer shows and
// so fail on a carrier. Ours works on any thread pointer. libc installs its own when it first makes
// a thread; we install ours before each use.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"

namespace vervet {

enum class kernel_thread_request : int {
  adopt_mask = 1,  // signal_mask.cpp: bring the interrupted carrier to the mask it should have
  look = 2,        // signal.cpp: the fiber that computes here has been told of a signal
  cancel = 3,      // cancel.cpp: the fiber that computes here may be cancelled at any point
  apply_call = 4,  // below
  preempt = 5,     // signal_handler.cpp: the fiber that computes here makes room for others
  show_stack = 6,  // inquiry.cpp: the flow that holds its hub here
};

// Makes the handler look at `request` on the kernel thread `tid`. A system call that it interrupts
// there is restarted, or fails with EINTR unless `restart`. 0 or a negated error number.
long ask_kernel_thread(int tid, kernel_thread_request request, bool restart = true);

// Makes the raw system call on every kernel thread of the process, the caller first: if it fails
// there nothing else happens and its negated error number is returned. Ends the process if a thread
// then disagrees, as libc does: it must not go on with mixed credentials.
VERVET_DOOR long call_on_every_kernel_thread(long number, long a, long b, long c);

// The CPUs that the calling kernel thread may use; at least 1.
VERVET_DOOR unsigned usable_cpus();

// In a forked child: no round is under way.
void forget_kernel_threads();

}  // namespace vervet
