// The path of a light switch: short, and inlined where flows leave. 60 instructions of a yield are the aim,
// half of which are Boost.Context's.
#pragma once

#include "runtime/light_hub.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"

namespace vervet {

inline void forget_registers() { __asm__ volatile("" ::: "memory"); }

inline light_fiber& light(fiber& f) { return static_cast<light_fiber&>(f); }

inline void light_hub::begin_turn(fiber& f) {
  watched_.begin_turn();
  // The watchdog, and its handler on this thread: where they see the old turn, its fiber is current.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  self_state.current = &f;
}

inline void light_hub::push(fiber& f) {
  last_ready_->next_queued = &f;
  last_ready_ = &f;
}

// Whether a round begins with more than its first flow.
inline bool light_hub::attention_due() const {
  return (inbox_filled_.load(std::memory_order_relaxed) | watching_ | timers_.size()) != 0 ||
         host_ != nullptr;
}

// `round_end_` stands first and not alone: it goes to the end.
inline fiber* light_hub::rotate() {
  fiber* f = round_end_.next_queued;
  last_ready_->next_queued = &round_end_;
  last_ready_ = &round_end_;
  first_ready_ = f->next_queued;
  return f;
}

// Where there are many, each is far from the caches by the time of its turn: what the next one's begins
// with is fetched a turn ahead, and where that is, two turns ahead.
inline void light_hub::fetch_next() const {
  const fiber* soon = first_ready_;
  __builtin_prefetch(soon->flow.saved);
  __builtin_prefetch(soon->handle);
  // The last one's next is nobody.
  auto later = reinterpret_cast<uintptr_t>(soon->next_queued);
  for (uintptr_t line = 0; line <= 128; line += 64)
    __builtin_prefetch(reinterpret_cast<const void*>(later + line));
}

// May be the caller itself, if it stands in the queue and nobody else does.
inline fiber* light_hub::next() {
  fiber* f = first_ready_;
  if (f == &round_end_) {
    if (last_ready_ == &round_end_ || attention_due()) return begin_round();
    return rotate();
  }
  first_ready_ = f->next_queued;
  fetch_next();
  return f;
}

// `for_ever`: `from` does not come back.
inline void light_hub::jump(fiber& from, fiber& to, bool for_ever) {
  begin_turn(to);
  if constexpr (sanitizer::told_of_switches) {
    left_ = &light(from);
    void* fake_stack = sanitizer::leaving(light(from).tools, light(to).tools, for_ever);
    context_jump(from.flow, to.flow);
    sanitizer::arrived(fake_stack, left_->tools);
  } else {
    context_jump(from.flow, to.flow);
  }
}

// Whoever leaves leaves the exception state clean, and so finds it: what is seldom there costs a look.
inline void light_hub::switch_to(fiber& from, fiber& to) {
  int error = *errno_;
  uint32_t depth = self_state.in_runtime;
  if (!exceptions_->clean()) [[unlikely]]
    switch_with_exceptions(from, to);
  else
    jump(from, to, false);
  self_state.in_runtime = depth;
  *errno_ = error;
}

// The running flow, which has committed, leaves; returns when it was picked again. errno and the exception
// state are as before.
inline void light_hub::leave_here(fiber& self) {
  fiber* to = next();
  if (to == &self)
    begin_turn(*to);
  else
    switch_to(self, *to);
  own_flow_returns(self);
}

inline void light_hub::own_flow_returns(fiber& self) {
  if (&self == &main_flow_ && alone()) own_flow_is_alone();
}

// What it needs on its return it finds again by the current fiber: each register that it kept would be
// saved twice, here and by the jump.
inline bool light_hub::yield_plain(fiber& leaving) {
  self_state.in_runtime = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  light_hub& hub = *leaving.hub;
  hub.push(leaving);
  fiber* to = hub.first_ready_;
  if (to != &hub.round_end_) [[likely]] {
    fiber* soon = hub.first_ready_ = to->next_queued;
    auto* frame = static_cast<const char*>(soon->flow.saved);
    __builtin_prefetch(frame);
    __builtin_prefetch(frame + 64);
    __builtin_prefetch(&soon->next_queued->flow);
  } else if (to = hub.next(); to == &leaving) {
    return hub.yield_to_nobody(leaving);
  }
  leaving.kept_errno = *hub.errno_;
  if (hub.exceptions_->clean()) [[likely]]
    hub.jump(leaving, *to, false);
  else
    hub.switch_with_exceptions(leaving, *to);
  forget_registers();
  fiber& back = *self_state.current;
  *back.hub->errno_ = back.kept_errno;
  self_state.in_runtime = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (deferred_work.load(std::memory_order_relaxed) != 0) [[unlikely]]
    return deferred_then_plain();
  return back.plain();
}

// wake() by a flow of the same hub, for a wait that was begun with arm_here().
inline bool light_hub::wake_here(fiber& who, uint64_t epoch, wake_reason reason) {
  uint64_t asleep = parker::pack(epoch, wake_reason::none, park_state::asleep);
  uint64_t woken = parker::pack(epoch, reason, park_state::woken);
  if (!who.word.compare_exchange_strong(asleep, woken, std::memory_order_acq_rel)) return false;
  push(who);
  return true;
}

// Until the wait that arm_here() began is ended.
inline wake_reason light_hub::sleep_here(fiber& self, uint64_t epoch, deadline until) {
  if (until != never) arm_timer(self, epoch, until);
  leave_here(self);
  if (until != never) cancel_timer(self);
  return self.finish_wait();
}

inline wake_reason light_hub::park_here(fiber& self, uint64_t epoch, deadline until) {
  auto accepts = static_cast<uint32_t>(self.present.load(std::memory_order_relaxed));
  bool cuttable = (accepts & static_cast<uint32_t>(wait_class::scopes)) != 0;
  if (!cuttable || scope::only_kills(self)) [[likely]]
    return sleep_here(self, epoch, until);
  return park_here_scoped(self, epoch, until);
}

inline wake_reason light_hub::park_here(fiber& self, wait_class interruptible, deadline until) {
  bool no_scope_cuts_it = self.own.scopes == nullptr;
  return park_here(self, self.arm_here(interruptible, no_scope_cuts_it), until);
}

}  // namespace vervet
