// Where full fibers come from and where they go when their thread has been collected.
#pragma once

#include "runtime/fiber.h"
#include "runtime/thread.h"

namespace vervet::fiber_store {

// A full fiber for `o`: recycled if there is one of the size, else on a new identity that will run
// body(fiber) when first switched to. Null if memory or kernel threads are short.
fiber* take(const thread::options& o, void (*body)(void*));

// A control block without a stack, for the main thread. Null if memory is short.
fiber* take_block();

// REQUIRES: the fiber has left its stack for good, or waits in its service loop for another start.
void give(fiber& f);

// In a forked child: libc has forgotten the donors, so no identity can be reused.
void forget_all();

}  // namespace vervet::fiber_store
