// Synchronous faults: they act on what was interrupted, wherever that was.
#include <errno.h>

#include "runtime/check.h"
#include "runtime/fiber_record.h"
#include "runtime/signal_internal.h"
#include "runtime/stack.h"
#include "runtime/thread_state.h"

namespace vervet::signals {
namespace {

// The faulting instruction runs again and ends the process with the fault's own particulars; where
// it would not (a trap, a filtered system call) the signal is sent anew.
void take_default_action(int number) {
  kernel_action a{};
  raw::action(number, &a, nullptr);
  if (number == SIGTRAP || number == SIGSYS) sys::call(SYS_kill, sys::getpid(), number);
}

void report_overflow() {
  const fiber* f = self_state.current;
  // The flow of one that hosts light fibers is the host.
  if (f == nullptr || (f->kind == fiber_kind::light && f->handle == nullptr)) f = self_state.host;
  if (f == nullptr) return;
  bool full = f->kind == fiber_kind::full;
  uint64_t number = full ? f->thread.number : f->handle->number;
  size_t size = full ? f->thread.stack_size : f->stack.size - stack_guard_size;
  say("fiber %lu overflowed its stack of %zu bytes", static_cast<unsigned long>(number), size);
}

// The handler, without the runtime's help: a foreign thread, or a fault inside the runtime.
void call_plainly(const kernel_action& a, siginfo_t& info, ucontext_t& frame) {
  int saved_errno = errno;
  signal_set during = frame_mask(frame) | a.mask;
  if ((a.flags & SA_NODEFER) == 0) during |= signal_bit(info.si_signo);
  raw::set_mask(during & ~unblockable);
  reinterpret_cast<signal_handler>(a.handler)(info.si_signo, &info, &frame);
  errno = saved_errno;
}

}  // namespace

bool may_fault(int number) {
  return number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL ||
         number == SIGTRAP || number == SIGSYS;
}

bool is_fault(int number, const siginfo_t& info) { return may_fault(number) && info.si_code > 0; }

bool on_borrowed_stack(const ucontext_t& frame) {
  auto interrupted = static_cast<uintptr_t>(frame.uc_mcontext.gregs[REG_RSP]);
  return lies_in(frame.uc_stack, stack_pointer()) && !lies_in(frame.uc_stack, interrupted);
}

void on_fault(siginfo_t& info, ucontext_t& frame) {
  int number = info.si_signo;
  fiber* host = self_state.host;
  kernel_action a = action_of(number);
  const stack_t& programs_stack = host != nullptr ? host->thread.alternate_stack : frame.uc_stack;
  bool belongs_here = (a.flags & SA_ONSTACK) != 0 && lies_in(programs_stack, stack_pointer());

  // A program that handles its overflows does so on a stack of its own, as it must natively.
  bool overflow = number == SIGSEGV && stack_is_guard(info.si_addr);
  if (overflow && !(a.handled() && belongs_here)) {
    report_overflow();
    return take_default_action(number);
  }
  bool blocked =
      host != nullptr && (mask_of(*host).load(std::memory_order_relaxed) & signal_bit(number)) != 0;
  if (!a.handled() || blocked) return take_default_action(number);

  if (on_borrowed_stack(frame) && !belongs_here)
    move_frame_to_interrupted_stack(info, frame, on_signal);
  if ((a.flags & SA_RESETHAND) != 0) reset_action(number);
  if (host == nullptr || self_state.in_runtime != 0) return call_plainly(a, info, frame);
  self_state.in_runtime = 1;
  run_handler(*host, a, info, &frame);
  self_state.in_runtime = 0;
}

}  // namespace vervet::signals
