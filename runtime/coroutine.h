// Coroutines: stacks that a flow enters and leaves as it likes, under the C++ headers' generators.
//
// The body runs *as the flow that resumes it*: the same fiber, locals, errno. Whatever it waits for
// parks that fiber, on the coroutine's stack. So a coroutine needs neither a hub nor a queue: a
// resume and a suspend are one switch each.
//
// Scopes (scope.h). What the body has entered must hold for it alone, and what its resumer has
// entered for both. So a scope of ours, the *joint*, lies between: while the body runs the chain is
//     the body's scopes → joint → those of the resumer
// and a suspend cuts it at the joint; the next resume joins it to whoever that is. A deadline of
// the body's goes on while it is suspended, and cuts the first wait after that.
//
// The joint tells as well who may suspend: the flow in whose chain it lies.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/context.h"
#include "runtime/light_hub.h"
#include "runtime/sanitizer.h"
#include "runtime/stack.h"
#include "vervet/abi.h"

namespace vervet {

enum class coroutine_state : uint32_t {
  suspended,  // or not begun yet: anyone may resume it
  running,    // on behalf of some flow
  ended,      // the body has returned
};

// What stays behind when a stack is left: the exceptions caught and in flight there.
struct exception_states {
  unsigned known = 0;
  char bytes[most_cxx_runtimes][exception_state_size];
};

}  // namespace vervet

// Lies on top of its stack.
struct vervet_coroutine {
  std::atomic<vervet::coroutine_state> state{vervet::coroutine_state::suspended};
  void (*body)(void*) = nullptr;
  void* argument = nullptr;
  vervet::stack_slot stack;
  vervet::context inside;
  vervet::context outside;  // its resumer's
  vervet::sanitizer::flow tools_inside;
  vervet::sanitizer::flow tools_outside;
  vervet::exception_states exceptions_inside;
  vervet::exception_states exceptions_outside;
  vervet_scope joint = {0, 0, VERVET_NEVER, 0, nullptr, nullptr, nullptr};
  vervet_scope* scopes = &joint;  // the body's innermost, while suspended
};
