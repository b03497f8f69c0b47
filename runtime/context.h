// Machine contexts: the only door to Boost.Context.
#pragma once

#include <stddef.h>

namespace vervet {

// A saved flow of control. `identity` is the thread pointer it runs on; null means that it shares
// the identity of whoever switches to it (a light fiber and its host).
struct context {
  void* saved = nullptr;
  void* identity = nullptr;
};

// Runs after the context that left has been saved, on the stack of the one that arrived.
using commit_function = void (*)(void* argument);

// Makes `fresh` enter body(argument) on [stack, stack + size) when first switched to.
// body never returns.
void context_make(context& fresh, void* stack, size_t size, void (*body)(void*), void* argument);

// Leaves `from`, saving it, and continues `to`; then commit(argument) runs there. `commit` may make
// `from` runnable elsewhere: nothing touches the stack that was left after it was called.
// Keeps the callee-saved registers, mxcsr and the x87 control word.
void context_switch(context& from, context& to, commit_function commit, void* argument);

}  // namespace vervet
