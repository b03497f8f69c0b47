// Where the C++ runtimes of this program keep a thread's exception state (__cxa_get_globals): what was
// caught and what is in flight. Registered once per C++ runtime; any thread.
#pragma once

#include <stddef.h>

namespace vervet {

// How much of it must follow a flow.
inline constexpr size_t exception_state_size = 16;
inline constexpr unsigned most_cxx_runtimes = 4;

void register_exception_globals(void* (*get)());

// The calling thread's state in the i-th C++ runtime; null beyond the last one.
void* exception_state_here(unsigned i);

// True while an exception unwinds the calling flow: a destructor waits, and another exception would
// end the process.
bool unwinding();

}  // namespace vervet
