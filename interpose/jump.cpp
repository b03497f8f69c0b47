// siglongjmp restores the mask that sigsetjmp saved. libc's sigsetjmp saves the carrier's; we add
// the fiber's, in a part of the buffer that libc never writes (its set has room for 1024 signals),
// and restore that one instead. So a jump out of a handler ends as natively: nothing of the runtime
// is held or open while a handler runs.
#include <setjmp.h>

#include "interpose/dormant.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

constexpr unsigned long with_fibers_mask = 0x7665727665743031;  // "vervet01"
constexpr int mask_place = 1;
constexpr int mark_place = 2;

signal_set saved_mask(const struct __jmp_buf_tag& buffer) {
  const unsigned long* words = buffer.__saved_mask.__val;
  // Saved while the runtime was dormant: the kernel's mask was the thread's.
  return words[mark_place] == with_fibers_mask ? words[mask_place] : words[0];
}

using jump_function = void (*)(struct __jmp_buf_tag*, int);

void jump(struct __jmp_buf_tag* buffer, int value, jump_function real_jump) {
  if (buffer->__mask_was_saved == 0 || !on_thread_fiber()) return real_jump(buffer, value);
  {
    runtime_scope scope;
    signals::set_mask(*thread::self(), saved_mask(*buffer));
  }
  // The program may jump to the same place again: its buffer stays as it is.
  struct __jmp_buf_tag copy = *buffer;
  copy.__mask_was_saved = 0;
  real_jump(&copy, value);
}

}  // namespace

extern "C" {
__attribute__((visibility("hidden"), used)) void vervet_note_mask(struct __jmp_buf_tag* buffer) {
  unsigned long* words = buffer->__saved_mask.__val;
  words[mark_place] = 0;
  fiber* self = threads_are_fibers() ? thread::self() : nullptr;
  if (self == nullptr) return;
  words[mask_place] = self->thread.signal_mask.load(std::memory_order_relaxed);
  words[mark_place] = with_fibers_mask;
}

__attribute__((visibility("hidden"), used)) void* vervet_real_sigsetjmp() {
  return reinterpret_cast<void*>(real().__sigsetjmp);
}
}

// It returns twice into the caller's frame: notes the mask, then jumps to libc's.
asm(R"(
  .globl __sigsetjmp
  .type __sigsetjmp, @function
__sigsetjmp:
  .cfi_startproc
  pushq %rdi
  pushq %rsi
  subq $8, %rsp
  .cfi_def_cfa_offset 32
  testl %esi, %esi
  je 1f
  call vervet_note_mask
1:
  call vervet_real_sigsetjmp
  addq $8, %rsp
  popq %rsi
  popq %rdi
  .cfi_def_cfa_offset 8
  jmp *%rax
  .cfi_endproc
  .size __sigsetjmp, . - __sigsetjmp
)");

EXPORT void siglongjmp(sigjmp_buf buffer, int value) noexcept {
  jump(buffer, value, real().siglongjmp);
  __builtin_unreachable();
}

EXPORT void __longjmp_chk(struct __jmp_buf_tag* buffer, int value) noexcept {
  jump(buffer, value, real().__longjmp_chk);
  __builtin_unreachable();
}
