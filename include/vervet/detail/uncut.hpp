// Waits that nothing cuts short. Not for direct use.
#pragma once

#include <vervet/abi.h>

namespace vervet::detail {

// While it lives, kills, timeouts and stops from outside of it wait: for a lock that must be taken
// again. On the stack of one flow.
class uncut {
 public:
  uncut() noexcept {
    scope_.deadline = VERVET_NEVER;
    scope_.flags = VERVET_SCOPE_SHIELD;
    vervet_scope_enter(&scope_);
  }
  ~uncut() { vervet_scope_leave(&scope_); }
  uncut(const uncut&) = delete;
  uncut& operator=(const uncut&) = delete;

 private:
  vervet_scope scope_{};
};

}  // namespace vervet::detail
