// The futex system call for fibers.
#pragma once

#include <stdint.h>
#include <time.h>

namespace vervet::interpose {

// The arguments as syscall(SYS_futex, ...) takes them.
struct futex_call {
  uint32_t* word;
  int operation;
  uint32_t value;
  long fourth;  // a timeout or a second count, as the operation says
  uint32_t* second_word;
  uint32_t third_value;
};

// Fibers wait in the lot; wakes reach sleepers there first and in the kernel with what is left of
// their count. Returns the kernel's result: a negated error number on failure.
long futex(const futex_call& call);

}  // namespace vervet::interpose
