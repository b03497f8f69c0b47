// The path of a light switch: short, and inlined where flows leave.
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

inline void light_hub::push(fiber& f) { ready_.push(f); }

// Whether a round begins with more than its first flow.
inline bool light_hub::attention_due() const {
  return (inbox_filled_.load(std::memory_order_relaxed) | watching_ | timers_.size()) != 0 ||
         host_ != nullptr;
}

// Where there are many, each is far from the caches by the time of its turn: its block's first line is fetched
// some turns ahead, and when that is there, what it leads to: its frames, and the record that an end changes.
[[gnu::always_inline]] inline void light_hub::fetch_ahead(bool record_too) const {
  // They would tell of looks at who has ended.
  if constexpr (sanitizer::told_of_switches) return;
  __builtin_prefetch(&ready_.peek(ready_queue::farthest).flow);
  const fiber& soon = ready_.peek(1);
  auto* frame = static_cast<const char*>(soon.flow.saved);
  __builtin_prefetch(frame);
  __builtin_prefetch(frame + 64);
  if (record_too) __builtin_prefetch(soon.handle);
}

// May be the caller itself, if it stands in the queue and nobody else does.
inline fiber* light_hub::next() {
  if (&ready_.first() == &round_end_) {
    if (ready_.only_round_end() || attention_due()) begin_round();
    ready_.rotate();
  }
  fiber& f = ready_.pop();
  fetch_ahead(true);
  return &f;
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

// What is seldom needed is called at the end or not at all, and what a yield needs on its return it finds
// again by the current fiber: each register that it kept would be saved twice, here and by the jump.
inline int light_hub::yield_plain(fiber& leaving) {
  self_state.in_runtime = 1;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  light_hub& hub = *leaving.hub;
  if (!hub.ready_.append(leaving)) [[unlikely]]
    return yield_in_full_queue(leaving);
  if (&hub.ready_.first() == &hub.round_end_) {
    if (hub.attention_due()) [[unlikely]]
      return yield_queued(leaving);
    hub.ready_.rotate();
  }
  fiber& to = hub.ready_.pop();
  hub.fetch_ahead(false);
  if (&to == &leaving) [[unlikely]]
    return yield_to_nobody(leaving);
  leaving.kept_errno = *hub.errno_;
  if (!hub.exceptions_->clean()) [[unlikely]]
    return yield_with_exceptions(leaving, to);
  hub.jump(leaving, to, false);
  forget_registers();
  fiber& back = *self_state.current;
  *back.hub->errno_ = back.kept_errno;
  return yielded(back);
}

// `back` has its turn again.
inline int light_hub::yielded(fiber& back) {
  self_state.in_runtime = 0;
  std::atomic_signal_fence(std::memory_order_seq_cst);
  if (deferred_work.load(std::memory_order_relaxed) != 0 || !back.plain()) [[unlikely]]
    return yielded_otherwise();
  return 0;
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
  if (!cuttable || self.plain()) [[likely]]
    return sleep_here(self, epoch, until);
  return park_here_scoped(self, epoch, until);
}

inline wake_reason light_hub::park_here(fiber& self, wait_class interruptible, deadline until) {
  bool no_scope_cuts_it = self.own.scopes == nullptr;
  return park_here(self, self.arm_here(interruptible, no_scope_cuts_it), until);
}

}  // namespace vervet
