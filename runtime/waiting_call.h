// The system call that a kernel thread sleeps in, and how it goes on after a signal of ours.
//
// SA_RESTART restarts some calls; others fail with EINTR after any handler, or have done half of
// their work. For those that can be continued exactly, the handler does so; the rest must not be
// interrupted.
#pragma once

#include <stdint.h>
#include <ucontext.h>

namespace vervet {

struct waiting_call {
  static constexpr long none = -1;     // the thread does not sleep in a call
  static constexpr long unknown = -2;  // the kernel does not tell

  long number = unknown;
  long arguments[6] = {};
  uintptr_t stack_pointer = 0;
  uintptr_t instruction = 0;  // the one after the call
};

// What the kernel thread `tid` of this process sleeps in.
waiting_call waiting_call_of(int tid);

// Whether a signal handler can leave the call as if it had not been interrupted.
bool can_go_on(const waiting_call& call);

// In the handler, all signals blocked: if it interrupted `call`, or one that has begun since, and
// the kernel would have that fail with EINTR, it goes on if it can. It may sleep here, with the
// interrupted thread's mask, and run the program's handlers.
void go_on(const waiting_call& call, ucontext_t& frame);

}  // namespace vervet
