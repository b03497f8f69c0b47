// Whether libc is patched: whether a blocking call of a library that knows nothing of fibers
// (recv(), poll(), nanosleep(), pthread_mutex_lock(), getaddrinfo() …) parks the calling fiber, and
// not its thread. gevent's monkey.is_module_patched(); but patching is decided when the program is
// linked or started, so no module can have kept an unpatched function from before.
//
//   target_link_libraries(app vervet::patched)   # CMake; or -lvervet_preload before -lc
//   vervet ./app                                 # the launcher: every thread becomes a fiber
//
// Linked, the program's threads stay what they are, and so do its children; light fibers of any
// thread, and the thread's own flow while it has fibers, park. What a signal handler interrupts
// goes on afterwards: no call of a light fiber returns EINTR. A kill, a timeout or a scope that is
// due ends a call that can fail with errno ECANCELED, and ends the next wait of the API as always.
//
// Still blocking the thread: calls that libc makes inside itself (stdio on a socket), waits for
// signals (sigwait, pause, ppoll with another mask), regular files.
//
// Thread safety: all functions from any thread. None blocks or throws.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "vervet/vervet.h"

namespace vervet {

// How a process may be patched.
enum class patching {
  none = VERVET_PATCHED_NOT,             // blocking calls block the thread
  linked = VERVET_PATCHED_LINKED,        // with vervet::patched
  preloaded = VERVET_PATCHED_PRELOADED,  // by the launcher `vervet`
};

// How this process is patched.
inline patching patch_mode() noexcept {
  return static_cast<patching>(vervet_patched(nullptr, nullptr));
}

// The names of the functions that are replaced, for the life of the process; empty if none is.
inline std::span<const char* const> patched() noexcept {
  const char* const* names = nullptr;
  std::size_t count = 0;
  vervet_patched(&names, &count);
  return {names, count};
}

// Whether the function `name` is.
inline bool patched(std::string_view name) noexcept {
  for (const char* one : patched())
    if (name == one) return true;
  return false;
}

}  // namespace vervet
