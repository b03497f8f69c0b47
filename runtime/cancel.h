// Cancellation of full fibers. A request is a mark (fiber::interrupts) that the next cancellation
// point, or the one where the fiber sleeps, acts upon; libc's own would signal a kernel thread that
// does not exist.
//
// Races: the requester publishes the request, then reads whether the fiber accepts it; the fiber
// publishes that it accepts, then reads whether there is a request. The mark is set by whoever sees
// both.
#pragma once

#include "runtime/door_export.h"
#include "runtime/fiber.h"

namespace vervet::cancel {

// Asks `target` to end. If it is the caller with asynchronous cancellation, it ends when the
// wrapper's scope is left. Inside the runtime.
VERVET_DOOR void request(fiber& target);

// The calling fiber's state and type. Inside the runtime.
VERVET_DOOR void set_disabled(fiber& self, bool disabled);
VERVET_DOOR void set_asynchronous(fiber& self, bool asynchronous);

// The thread ends anyway: requests are ignored from now on.
VERVET_DOOR void shut(fiber& self);

// Ends the calling fiber if an asynchronous cancellation is due. REQUIRES: in_runtime == 1.
void act_if_asynchronous(fiber& self);
// The same from signal 33's handler, on whatever it interrupted, with `mask` blocked in the kernel
// before.
void act_in_handler(uint64_t mask);

}  // namespace vervet::cancel
