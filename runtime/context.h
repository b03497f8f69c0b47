// Machine contexts: the only door to Boost.Context. Two protocols: flows that meet by context_switch() and
// flows that meet by context_jump() are not to be mixed.
#pragma once

#include <stddef.h>

#include <boost/context/detail/fcontext.hpp>

namespace vervet {

using arrival = boost::context::detail::transfer_t;

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

// jump_fcontext(), reached by a jump. A call would leave an entry on the processor's stack of return
// addresses that nothing takes off again, since what arrives is jumped to: then each return after a switch is
// mispredicted, which costs as much as the switch. It pushes as a call would, so that a backtrace goes on in the
// caller; who includes this is compiled without a red zone below its stack pointer.
inline arrival context_raw_jump(void* to, void* data) {
  arrival result;
  __asm__ volatile(
      "leaq 1f(%%rip), %%rax\n\t"
      "pushq %%rax\n\t"
      "jmp jump_fcontext@PLT\n"
      "1:"
      : "=a"(result.fctx), "=d"(result.data), "+D"(to), "+S"(data)
      :
      : "rcx", "r8", "r9", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
        "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "memory",
        "cc");
  return result;
}

// The same for flows that share one identity and leave nothing to commit.
//
// What arrives is told which context it came from, and saves it: context_jump() on its return, a flow
// that begins as its first act.
using entry_function = void (*)(arrival);

// First in the function that a flow begins with: backtraces and unwinding end there.
[[gnu::always_inline]] inline void context_is_outermost() { __asm__ volatile(".cfi_undefined rip"); }

inline void context_arrive(arrival transfer) {
  static_cast<context*>(transfer.data)->saved = transfer.fctx;
}
inline void context_jump(context& from, context& to) {
  context_arrive(context_raw_jump(to.saved, &from));
}
// Makes `fresh` begin with entry() when context_jump() goes there for the first time. entry() calls
// context_arrive() and never returns.
inline void context_begin(context& fresh, void* stack, size_t size, entry_function entry) {
  fresh.saved =
      boost::context::detail::make_fcontext(static_cast<char*>(stack) + size, size, entry);
}

}  // namespace vervet
