// The real functions behind the ones we replace, bound from the one table.
#pragma once

#include "interpose/libc.h"

namespace vervet::interpose {

// One pointer a row of functions.def, typed by libc's own declaration: a row whose name libc's headers
// do not declare (or libc.h, for the undeclared twins) does not compile.
struct real_functions {
#define FN(name) decltype(&::name) name;
#define ALIAS(alias, name)
#include "interpose/functions.def"
#undef FN
#undef ALIAS
};

extern real_functions real_table;
extern bool real_bound;
const real_functions& bind_real();

// The table, bound at the first call: a wrapper may be called before our constructor has run.
inline const real_functions& real() {
  if (real_bound) [[likely]]
    return real_table;
  return bind_real();
}

// True if the program's calls of libc come to us.
bool replaces_libc();

// What a LATE row stands for: the next library's, or one's that came by dlopen(), out of RTLD_NEXT's
// sight. Null if it is not to be found.
void* late_symbol(const char* name);

template <typename Function>
Function real_late(Function& bound, const char* name) {
  if (bound == nullptr) bound = reinterpret_cast<Function>(late_symbol(name));
  return bound;
}

}  // namespace vervet::interpose

// Defines a replaced function: extern "C" is part of libc's declaration, so the type must agree.
#define EXPORT extern "C" __attribute__((visibility("default"), used))
