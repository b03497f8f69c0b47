// libc's signal sets as the kernel has them: libc's are longer, but only the first word counts.
#pragma once

#include <signal.h>

#include "runtime/door.h"

namespace vervet::interpose {

inline signal_set* kernel_set(sigset_t* set) { return reinterpret_cast<signal_set*>(set); }
inline const signal_set* kernel_set(const sigset_t* set) {
  return reinterpret_cast<const signal_set*>(set);
}

inline bool valid_signal(int number) { return number >= 1 && number <= 64; }

}  // namespace vervet::interpose
