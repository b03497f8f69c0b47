#include "interpose/real.h"

#include <dlfcn.h>

#include "runtime/door.h"

namespace vervet::interpose {

real_functions real_table;
bool real_bound;

namespace {

// A call that arrives while the table is being bound (dlsym may allocate, and an allocator that is
// preloaded beside us may lock) finds its own row bound by then or binds it first.
template <typename Function>
void bind(Function& slot, const char* name) {
  if (slot == nullptr) slot = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

// Idempotent: two first callers bind the same values.
const real_functions& bind_real() {
#define FN(name) bind(real_table.name, #name);
#define ALIAS(alias, name)
// To look for what is not there makes dlsym() allocate, which an allocator beside us may not bear yet.
#define LATE(name)
#include "interpose/functions.def"
#undef FN
#undef ALIAS
  libc.pthread_create = real_table.pthread_create;
  libc.pthread_join = real_table.pthread_join;
  libc.pthread_exit = real_table.pthread_exit;
  real_bound = true;
  return real_table;
}

bool replaces_libc() {
  return dlsym(RTLD_DEFAULT, "recv") != reinterpret_cast<void*>(real().recv);
}

void* late_symbol(const char* name) {
  if (void* found = dlsym(RTLD_NEXT, name)) return found;
  static constexpr const char* libraries[] = {"liburing.so.2", "liburing.so.1"};
  for (const char* library : libraries) {
    void* handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle == nullptr) continue;
    void* found = dlsym(handle, name);
    dlclose(handle);
    if (found != nullptr) return found;
  }
  return nullptr;
}

}  // namespace vervet::interpose
