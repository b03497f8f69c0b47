// What the wrappers ask about the process and the caller, beside on_fiber().
//
// Preloaded, the program's threads are full fibers: what goes with a thread (signals, cancellation,
// ids, credentials) is the runtime's to answer. Linked to the program, or preloaded with
// VERVET_THREADS=native, threads are libc's and the kernel's, and host light fibers.
#pragma once

#include "runtime/door.h"

namespace vervet::interpose {

// True until the process has its first fiber: every wrapper passes through.
inline bool dormant() { return !fibers_exist.load(std::memory_order_acquire); }

// The program's threads are full fibers at this moment.
inline bool threads_are_fibers() { return wake_process != nullptr && scheduler::running(); }

// The caller is one of them, in the program's code (or a light fiber that one hosts).
inline bool on_thread_fiber() { return on_full_fiber() && wake_process != nullptr; }

}  // namespace vervet::interpose
