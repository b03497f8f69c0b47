#include "runtime/cancel.h"

#include "runtime/interrupt.h"
#include "runtime/kernel_threads.h"
#include "runtime/scheduler.h"
#include "runtime/signal_internal.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace cancel {
namespace {

constexpr auto in_order = std::memory_order_seq_cst;

// Only if the mark was not there before does it count.
void mark_asynchronous(fiber& f) {
  if ((f.interrupts.fetch_or(interrupt_asynchronous, in_order) & interrupt_asynchronous) == 0)
    deferred_work.fetch_add(1, in_order);
}

void unmark(fiber& f) {
  uint32_t marks = interrupt_cancel | interrupt_asynchronous;
  if ((f.interrupts.fetch_and(~marks, in_order) & interrupt_asynchronous) != 0)
    deferred_work.fetch_sub(1, std::memory_order_relaxed);
}

bool accepts(fiber& f) { return !std::atomic_ref(f.thread.cancel_disabled).load(in_order); }
bool asynchronously(fiber& f) {
  return std::atomic_ref(f.thread.cancel_asynchronous).load(in_order);
}

void mark(fiber& f) {
  f.interrupts.fetch_or(interrupt_cancel, in_order);
  if (asynchronously(f)) mark_asynchronous(f);
}

// The stack is unwound from here: nothing of the runtime may be held or open.
[[noreturn]] void end(fiber& self) {
  shut(self);
  __asm__ volatile("" ::: "memory");
  self_state.in_runtime = 0;
  __asm__ volatile("" ::: "memory");
  thread::exit(PTHREAD_CANCELED);
}

}  // namespace

void request(fiber& target) {
  // The lock keeps the target alive and open.
  lock_guard guard(signals::mutex);
  if (!target.thread.signals_open) return;
  target.thread.cancel_requested.store(1, in_order);
  if (!accepts(target)) return;
  mark(target);
  if (interrupt(target, interrupt_cancel) || !asynchronously(target)) return;
  carrier* c = target.on;
  if (&target != self_state.host && c != nullptr &&
      c->running.load(std::memory_order_relaxed) == &target)
    ask_kernel_thread(c->kernel_tid, kernel_thread_request::cancel);
}

void set_disabled(fiber& self, bool disabled) {
  std::atomic_ref(self.thread.cancel_disabled).store(disabled, in_order);
  if (self.thread.cancel_requested.load(in_order) == 0) return;
  if (disabled)
    unmark(self);
  else
    mark(self);
}

void set_asynchronous(fiber& self, bool asynchronous) {
  std::atomic_ref(self.thread.cancel_asynchronous).store(asynchronous, in_order);
  if (asynchronous && accepts(self) && self.thread.cancel_requested.load(in_order) != 0) mark(self);
}

void shut(fiber& self) {
  std::atomic_ref(self.thread.cancel_disabled).store(true, in_order);
  unmark(self);
}

void act_if_asynchronous(fiber& self) {
  if ((self.interrupts.load(in_order) & interrupt_asynchronous) == 0) return;
  if (accepts(self) && asynchronously(self)) end(self);
  if ((self.interrupts.fetch_and(~interrupt_asynchronous, in_order) & interrupt_asynchronous) != 0)
    deferred_work.fetch_sub(1, std::memory_order_relaxed);
}

void act_in_handler(uint64_t mask) {
  fiber* self = self_state.host;
  if (self == nullptr || self_state.in_runtime != 0) return;
  if ((self->interrupts.load(in_order) & interrupt_asynchronous) == 0) return;
  raw::set_mask(mask);
  self_state.in_runtime = 1;
  act_if_asynchronous(*self);
  self_state.in_runtime = 0;
}

}  // namespace cancel

void cancellation_point() {
  fiber* self = self_state.host;
  if (self == nullptr) return;
  if ((self->interrupts.load(std::memory_order_relaxed) & interrupt_cancel) == 0) return;
  if (cancel::accepts(*self)) cancel::end(*self);
  self->interrupts.fetch_and(~interrupt_cancel, std::memory_order_seq_cst);
}

}  // namespace vervet
