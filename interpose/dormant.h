// Whether the runtime sleeps: true until the process creates its first thread.
#pragma once

#include "runtime/door.h"

namespace vervet::interpose {

inline bool dormant() { return !scheduler::running(); }

}  // namespace vervet::interpose
