// Where the C++ runtimes of this program keep a thread's exception state (__cxa_get_globals): what was
// caught and what is in flight. Registered once per C++ runtime; any thread.
#pragma once

#include <atomic>
#include <stddef.h>
#include <stdint.h>

namespace vervet {

// What of it must follow a flow: the layout that the C++ ABI lays down.
struct exception_state {
  void* caught;
  unsigned uncaught;
  bool clean() const { return (reinterpret_cast<uintptr_t>(caught) | uncaught) == 0; }
};
inline constexpr size_t exception_state_size = sizeof(exception_state);
inline constexpr unsigned most_cxx_runtimes = 4;

// How many there are.
extern std::atomic<unsigned> cxx_runtimes;

void register_exception_globals(void* (*get)());

// The calling thread's state in the i-th C++ runtime; null beyond the last one.
void* exception_state_here(unsigned i);

// True while an exception unwinds the calling flow: a destructor waits, and another exception would
// end the process.
bool unwinding();

}  // namespace vervet
