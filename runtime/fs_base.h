// The thread pointer (FS base): the one file that reads or writes it.
#pragma once

#include <stdint.h>

#include "runtime/sys.h"

namespace vervet::fs_base {

// True when user code may use wrfsbase (AT_HWCAP2 bit 1); decided once, at load time.
extern const bool by_instruction;

inline void* get() {
  void* base;
  // The x86-64 ABI keeps the thread pointer's own value at %fs:0.
  asm("mov %%fs:0, %0" : "=r"(base));
  return base;
}

inline void set(void* base) {
  if (by_instruction) [[likely]] {
    asm volatile("wrfsbase %0" ::"r"(base) : "memory");
    return;
  }
  constexpr long arch_set_fs = 0x1002;
  sys::call(SYS_arch_prctl, arch_set_fs, reinterpret_cast<long>(base));
}

}  // namespace vervet::fs_base
