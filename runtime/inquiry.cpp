#include "runtime/inquiry.h"

#include <atomic>
#include <errno.h>
#include <execinfo.h>
#include <string.h>
#include <sys/mman.h>

#include "runtime/deadline.h"
#include "runtime/handle.h"
#include "runtime/kernel_threads.h"
#include "runtime/light_hub.h"
#include "runtime/signal_frame.h"
#include "runtime/thread_state.h"
#include "runtime/waiting_call.h"

namespace vervet::inquiry {
namespace {

// How long the kernel thread may take to answer: it may be in a call that no signal interrupts.
constexpr int64_t patience = 200'000'000;
constexpr size_t scratch_size = 256 * 1024;

enum : uint32_t {
  idle,       // nothing is asked
  preparing,  // the data below are the asker's
  asked,
  answering,  // the data are the handler's
  answered,
  withdrawn,  // nobody has answered in time; a handler may still come
};

struct {
  std::atomic<uint32_t> state{idle};
  const light_hub* hub;
  uint64_t turn;
  waiting_call call;
  outcome result;
  finding* found;  // not once withdrawn
} question;

stack_t scratch;

bool become(uint32_t from, uint32_t to) {
  return question.state.compare_exchange_strong(from, to, std::memory_order_acq_rel);
}

// On the scratch stack. The walk passes the handler's frames first; what was interrupted is the
// first one with its instruction.
void walk(int, siginfo_t*, void* context) {
  auto* interrupted =
      reinterpret_cast<void*>(static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  constexpr unsigned handlers = 16;
  void* frames[most_frames + handlers];
  int count = backtrace(frames, most_frames + handlers);
  finding& f = *question.found;
  f.frames[0] = interrupted;
  f.frame_count = 1;
  int at = 0;
  while (at < count && frames[at] != interrupted) ++at;
  while (++at < count && f.frame_count < most_frames) f.frames[f.frame_count++] = frames[at];
}

// On the kernel thread: what it runs cannot change meanwhile.
outcome look_here(ucontext_t& frame) {
  if (self_state.hub != question.hub) return outcome::over;
  if (question.hub->watched().turn.load(std::memory_order_relaxed) != question.turn)
    return outcome::over;
  question.found->who = who_runs(self_state);
  question.found->complete = true;
  call_handler_on(scratch, walk, 0, nullptr, &frame);
  return outcome::found;
}

void finish(uint32_t state) {
  question.state.store(state, std::memory_order_release);
  sys::futex_wake(&question.state, 1);
}

void ask(const light_hub& hub, uint64_t turn, const waiting_call& call, finding& result) {
  // A handler that comes late is about to be done with the last question.
  for (uint32_t state = idle; state == answering || !become(state, preparing);)
    state = question.state.load(std::memory_order_acquire);
  question.hub = &hub;
  question.turn = turn;
  question.call = call;
  question.found = &result;
  question.state.store(asked, std::memory_order_release);
}

// Waits for the answer; false if there is none.
bool await() {
  deadline end = after(patience);
  timespec until = timespec_of(end);
  for (;;) {
    uint32_t state = question.state.load(std::memory_order_acquire);
    if (state == answered) return true;
    if (state == asked && now() >= end && become(asked, withdrawn)) return false;
    sys::futex_wait(&question.state, state, state == asked ? &until : nullptr);
  }
}

}  // namespace

// Seen from another thread these are not synchronised: the turn's value tells whether they hold.
[[gnu::no_sanitize_thread]] culprit who_runs(const thread_state& state) {
  culprit who;
  const fiber* current = state.current;
  if (current == nullptr || current->handle == nullptr) return who;
  who.number = current->handle->number;
  memcpy(who.name, current->handle->name, sizeof who.name);
  return who;
}

int prepare() {
  void* memory = sys::map(nullptr, scratch_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
  if (memory == nullptr) return ENOMEM;
  scratch.ss_sp = memory;
  scratch.ss_size = scratch_size;
  // The first call loads the unwinder, which a handler must not.
  void* unused[1];
  backtrace(unused, 1);
  return 0;
}

outcome look(int tid, const light_hub& hub, uint64_t turn, finding& result) {
  waiting_call call = waiting_call_of(tid);
  if (can_go_on(call)) {
    ask(hub, turn, call, result);
    if (ask_kernel_thread(tid, kernel_thread_request::show_stack) != 0) {
      become(asked, idle);
      return outcome::over;
    }
    if (await()) return question.result;
  }
  if (hub.watched().turn.load(std::memory_order_acquire) != turn) return outcome::over;
  result.frame_count = 0;
  if (call.number >= 0)
    result.frames[result.frame_count++] = reinterpret_cast<void*>(call.instruction);
  return outcome::unanswered;
}

void answer(ucontext_t& frame) {
  bool in_time = become(asked, answering);
  if (!in_time && !become(withdrawn, answering)) return;
  waiting_call call = question.call;
  if (in_time) question.result = look_here(frame);
  finish(in_time ? answered : idle);
  go_on(call, frame);
}

void forget() { question.state.store(idle, std::memory_order_relaxed); }

}  // namespace vervet::inquiry
