// pthread_once and call_once: ours in whole, on glibc's control word and with its values.
//
// The routine runs outside the runtime, and may not return: exceptions (std::call_once lets them
// pass through us), pthread_exit and cancellation unwind through. This library has no exception
// handling of its own, so the one frame that must notice carries a hand-written personality
// routine.
#include "interpose/sync_once.h"

#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// glibc's values: done, or in progress plus the number of forks (times 4) that led to this process.
constexpr int in_progress = 1;
constexpr int done = 2;
constexpr int generation_step = 4;

int generation;

using control_word = std::atomic<int>;

// A routine that this identity is running. They nest; and light fibers, which share an identity,
// may be in the middle of several at once. Each lies in the frame that runs it.
struct running_once : list_hook {
  explicit running_once(control_word& c) : control(c) {}
  control_word& control;
};
thread_local list<running_once> running_here __attribute__((tls_model("initial-exec")));

// The innermost one on the caller's stack: the nearest above the caller's frame.
running_once* innermost() {
  auto distance = [frame = reinterpret_cast<uintptr_t>(__builtin_frame_address(0))](
                      running_once* r) { return reinterpret_cast<uintptr_t>(r) - frame; };
  running_once* nearest = running_here.front();
  for (running_once* r = nearest; r != nullptr; r = running_here.after(r))
    if (distance(r) < distance(nearest)) nearest = r;
  return nearest;
}

// Ends the running of `control`'s routine. Waiters in libc's own pthread_once are there if the
// runtime itself called it, through an allocator say.
void finish(control_word& control, int result) {
  control.exchange(result);
  lot::unpark(&control, UINT32_MAX);
  sys::futex_wake(&control, INT32_MAX);
}

// Becomes the one who runs the routine (true), or finds it done (false).
bool claim(control_word& control) {
  int seen = control.load(std::memory_order_acquire);
  int claimed = generation | in_progress;
  for (;;) {
    if ((seen & done) != 0) return false;
    if (seen == claimed) {
      runtime_scope scope;
      auto running = [&] { return control.load(std::memory_order_acquire) == claimed; };
      lot::request sleep{.address = &control, .what = wait_for::once, .validate = running};
      if (lot::park(sleep) == lot::outcome::interrupted) handle_interruption(false);
      seen = control.load(std::memory_order_acquire);
      continue;
    }
    if (control.compare_exchange_strong(seen, claimed)) return true;
  }
}

}  // namespace
}  // namespace vervet::interpose

extern "C" {

// Calls `routine` from a frame whose unwinding vervet_once_unwound() hears of.
[[gnu::visibility("hidden")]] void vervet_once_call(void (*routine)());

asm(R"(
	.text
	.type	vervet_once_call, @function
	.hidden	vervet_once_call
vervet_once_call:
	.cfi_startproc
	.cfi_personality 0x1b, vervet_once_unwound
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	*%rdi
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	ret
	.cfi_endproc
	.size	vervet_once_call, . - vervet_once_call
)");

// The personality routine of that frame (the Itanium C++ ABI says how it is called). It has nothing
// to catch, so it cleans up where it stands and lets the unwinding go on.
[[gnu::visibility("hidden"), gnu::used]] int vervet_once_unwound(int, int actions, uint64_t, void*,
                                                                 void*) {
  using namespace vervet;
  using namespace vervet::interpose;
  constexpr int cleanup_phase = 2;
  constexpr int continue_unwind = 8;
  if ((actions & cleanup_phase) != 0) {
    running_once* ended = innermost();
    list<running_once>::remove(ended);
    finish(ended->control, 0);
  }
  return continue_unwind;
}

}  // extern "C"

namespace vervet::interpose::sync {

void run_once(int* word, void (*routine)()) {
  auto& control = *reinterpret_cast<control_word*>(word);
  if ((control.load(std::memory_order_acquire) & done) != 0) [[likely]]
    return;
  // Inside the runtime nothing may park; libc's own call waits for us, and we for it.
  if (self_state.in_runtime != 0) {
    real().pthread_once(word, routine);
    lot::unpark(word, UINT32_MAX);
    return;
  }
  if (!claim(control)) return;
  running_once mine(control);
  running_here.push_back(&mine);
  vervet_once_call(routine);
  list<running_once>::remove(&mine);
  finish(control, done);
}

void once_forked_child() { generation += generation_step; }

}  // namespace vervet::interpose::sync

EXPORT
int pthread_once(pthread_once_t* control, void (*routine)()) {
  vervet::interpose::sync::run_once(control, routine);
  return 0;
}
