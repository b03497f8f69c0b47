// Wiring the calling fiber to its kernel thread.
#pragma once

namespace vervet::interpose {

// No effect on a thread that is no fiber, or is wired. False, with errno EAGAIN, if there can be no kernel
// thread for it: then the call must not be made.
[[nodiscard]] bool wire_caller();

// True for the prctl() options that set a state of the calling kernel thread.
bool wires(long prctl_option);

}  // namespace vervet::interpose
