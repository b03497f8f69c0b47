#include "runtime/signal_frame.h"

#include <errno.h>
#include <string.h>

extern "C" {
void vervet_signal_restorer();
[[noreturn]] void vervet_continue_frame(int number, siginfo_t* info, ucontext_t* frame,
                                        vervet::signal_handler body);
void vervet_call_on_stack(int number, siginfo_t* info, void* frame, vervet::signal_handler handler,
                          void* top);
long vervet_sigaltstack_from(const stack_t* fresh, void* elsewhere);
}

// The restorer has the bytes by which debuggers and unwinders know a signal frame.
asm(R"(
  .text
  .type vervet_signal_restorer, @function
  nop
vervet_signal_restorer:
  movq $15, %rax
  syscall
  .size vervet_signal_restorer, . - vervet_signal_restorer

# (number, info, frame, body): the frame becomes the top of the stack, for rt_sigreturn to find.
  .type vervet_continue_frame, @function
vervet_continue_frame:
  movq %rdx, %rsp
  leaq vervet_signal_restorer(%rip), %rax
  pushq %rax
  jmp *%rcx
  .size vervet_continue_frame, . - vervet_continue_frame

# (number, info, frame, handler, top)
  .type vervet_call_on_stack, @function
vervet_call_on_stack:
  .cfi_startproc
  pushq %rbp
  .cfi_def_cfa_offset 16
  .cfi_offset %rbp, -16
  movq %rsp, %rbp
  .cfi_def_cfa_register %rbp
  movq %r8, %rsp
  call *%rcx
  movq %rbp, %rsp
  popq %rbp
  .cfi_def_cfa %rsp, 8
  ret
  .cfi_endproc
  .size vervet_call_on_stack, . - vervet_call_on_stack

# (fresh, elsewhere)
  .type vervet_sigaltstack_from, @function
vervet_sigaltstack_from:
  movq %rsp, %r8
  movq %rsi, %rsp
  xorl %esi, %esi
  movl $131, %eax
  syscall
  movq %r8, %rsp
  ret
  .size vervet_sigaltstack_from, . - vervet_sigaltstack_from
)");

namespace vervet {
namespace {

constexpr uintptr_t red_zone = 128;

// The kernel's ucontext ends with its 8-byte mask; libc's is longer.
constexpr size_t kernel_frame_size = offsetof(ucontext_t, uc_sigmask) + sizeof(signal_set);

size_t float_state_size(const void* state) {
  // struct _fpx_sw_bytes lies at the end of the legacy area: a magic number, then the size of it
  // all.
  constexpr size_t legacy_size = 512;
  constexpr size_t software_bytes = 464;
  constexpr uint32_t has_extension = 0x46505853;
  uint32_t words[2];
  memcpy(words, static_cast<const char*>(state) + software_bytes, sizeof words);
  return words[0] == has_extension ? words[1] : legacy_size;
}

uintptr_t align_down(uintptr_t address, uintptr_t alignment) { return address & ~(alignment - 1); }

}  // namespace

void* signal_restorer() { return reinterpret_cast<void*>(vervet_signal_restorer); }

void move_frame_to_interrupted_stack(siginfo_t& info, ucontext_t& frame, signal_handler body) {
  uintptr_t at = static_cast<uintptr_t>(frame.uc_mcontext.gregs[REG_RSP]) - red_zone;
  void* float_state = frame.uc_mcontext.fpregs;
  if (float_state != nullptr) {
    size_t size = float_state_size(float_state);
    at = align_down(at - size, 64);
    memcpy(reinterpret_cast<void*>(at), float_state, size);
    float_state = reinterpret_cast<void*>(at);
  }
  at = align_down(at - sizeof info, 16);
  auto* moved_info = reinterpret_cast<siginfo_t*>(at);
  *moved_info = info;
  // A function's entry: the return address is pushed below a 16-byte boundary.
  at = align_down(at - sizeof(ucontext_t), 16);
  auto* moved = reinterpret_cast<ucontext_t*>(at);
  memcpy(static_cast<void*>(moved), &frame, kernel_frame_size);
  moved->uc_mcontext.fpregs = static_cast<fpregset_t>(float_state);
  vervet_continue_frame(info.si_signo, moved_info, moved, body);
}

void call_handler_on(const stack_t& stack, signal_handler handler, int number, siginfo_t* info,
                     void* frame) {
  if ((stack.ss_flags & SS_DISABLE) != 0 || lies_in(stack, stack_pointer()))
    return handler(number, info, frame);
  uintptr_t top = reinterpret_cast<uintptr_t>(stack.ss_sp) + stack.ss_size;
  vervet_call_on_stack(number, info, frame, handler, reinterpret_cast<void*>(align_down(top, 16)));
}

long set_alternate_stack(const stack_t& fresh, void* elsewhere) {
  long result = sys::call(SYS_sigaltstack, sys::word(&fresh), 0);
  return result == -EPERM ? vervet_sigaltstack_from(&fresh, elsewhere) : result;
}

}  // namespace vervet
