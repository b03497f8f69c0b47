// The machine side of signals: entry and return as the kernel wants them, frames that move to
// another stack, handlers that run on one. The one file besides fs_base and context that speaks
// assembly.
#pragma once

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <ucontext.h>

#include "runtime/door_export.h"
#include "runtime/signal_queue.h"
#include "runtime/sys.h"

namespace vervet {

// An action as rt_sigaction has it.
struct kernel_action {
  void* handler;  // SIG_DFL, SIG_IGN or a function
  unsigned long flags;
  void* restorer;
  signal_set mask;

  bool handled() const {
    return handler != reinterpret_cast<void*>(SIG_DFL) &&
           handler != reinterpret_cast<void*>(SIG_IGN);
  }
};
using signal_handler = void (*)(int, siginfo_t*, void*);

inline constexpr unsigned long flag_restorer = 0x04000000;  // SA_RESTORER

namespace raw {

inline long action(int number, const kernel_action* fresh, kernel_action* old) {
  return sys::call(SYS_rt_sigaction, number, sys::word(fresh), sys::word(old), sizeof(signal_set));
}
inline signal_set set_mask(signal_set mask) {
  signal_set old = 0;
  sys::call(SYS_rt_sigprocmask, SIG_SETMASK, sys::word(&mask), sys::word(&old), sizeof mask);
  return old;
}
inline signal_set mask() {
  signal_set now = 0;
  sys::call(SYS_rt_sigprocmask, SIG_BLOCK, 0, sys::word(&now), sizeof now);
  return now;
}
// Takes a pending signal of `set`. Its number, or -EAGAIN.
inline long take_pending(signal_set set, siginfo_t* info) {
  timespec at_once{0, 0};
  return sys::call(SYS_rt_sigtimedwait, sys::word(&set), sys::word(info), sys::word(&at_once),
                   sizeof set);
}

}  // namespace raw

// What a kernel_action's restorer must be.
VERVET_DOOR void* signal_restorer();

// The mask and the alternate stack that the interrupted thread goes on with.
inline signal_set& frame_mask(ucontext_t& frame) {
  return *reinterpret_cast<signal_set*>(&frame.uc_sigmask);
}

inline bool lies_in(const stack_t& stack, uintptr_t address) {
  auto low = reinterpret_cast<uintptr_t>(stack.ss_sp);
  return (stack.ss_flags & SS_DISABLE) == 0 && address - low < stack.ss_size;
}

inline uintptr_t stack_pointer() { return reinterpret_cast<uintptr_t>(__builtin_frame_address(0)); }

// Continues the signal's delivery below the interrupted stack pointer instead of on the alternate
// stack: body(number, info, frame) runs there, and its return resumes what was interrupted.
[[noreturn]] void move_frame_to_interrupted_stack(siginfo_t& info, ucontext_t& frame,
                                                  signal_handler body);

// Calls handler(number, info, frame), on `stack` unless the caller is on it already or it is
// disabled.
void call_handler_on(const stack_t& stack, signal_handler handler, int number, siginfo_t* info,
                     void* frame);

// sigaltstack() that works also while the present alternate stack is in use; `elsewhere` is the top
// of memory that the kernel does not know as one.
long set_alternate_stack(const stack_t& fresh, void* elsewhere);

}  // namespace vervet
