// Cancellation: what the wake-up owes to it.
#pragma once

namespace vervet::interpose {

// The main thread keeps the state and type that it had set while the runtime was dormant. Once, on
// it, when the runtime has woken.
void adopt_cancel_state();

}  // namespace vervet::interpose
