// Joins among the flows of one hub: no other thread touches who waits, so they take no lock. Inlined where
// fibers end and are joined.
#pragma once

#include "runtime/deadlock.h"
#include "runtime/fiber_record.h"
#include "runtime/handle.h"
#include "runtime/light_switch.h"
#include "runtime/scope.h"

namespace vervet {

// One that joins a fiber of its own hub, in the ring of those who do. On the joiner's stack.
struct local_joiner : closed_wait {
  local_joiner* after = nullptr;  // null: not in the ring
  local_joiner* before = nullptr;

  void enter(local_joiner*& first) {
    if (first == nullptr) [[likely]] {
      first = after = before = this;
      return;
    }
    after = first;
    before = first->before;
    before->after = first->before = this;
  }
  void leave(local_joiner*& first) {
    if (after == nullptr) [[likely]]
      return;
    if (first == this) first = after == this ? nullptr : after;
    before->after = after;
    after->before = before;
    after = before = nullptr;
  }
};

// `ended` was one of this hub's: makes those who wait for it here runnable, in the order they came.
inline void light_hub::wake_joiners(vervet_fiber& ended) {
  while (local_joiner* first = ended.joiners) {
    first->leave(ended.joiners);
    wake_here(static_cast<fiber&>(*first->who), first->epoch, wake_reason::ready);
  }
}

// Whatever is there, if the block's fiber has ended: another thread may be making another one.
__attribute__((no_sanitize("thread"))) inline light_hub* hub_of(const fiber& block) {
  return __atomic_load_n(&block.hub, __ATOMIC_ACQUIRE);
}

// The calling flow, if it is a light one and `target`, which has not ended, a fiber of its hub; else null.
inline fiber* light_hub::shares_hub_with(const vervet_fiber& target) {
  fiber* current = self_state.current;
  if (current == nullptr || current->kind != fiber_kind::light) return nullptr;
  fiber* block = target.block.load(std::memory_order_acquire);
  if (block == nullptr || hub_of(*block) != current->hub) return nullptr;
  // On another hub it may have ended, and the block have been something else by then.
  return target.has_ended() ? nullptr : current;
}

// `self`, which runs, sleeps until `target`, a fiber of this hub, has ended or `until` has come.
inline wake_reason light_hub::park_for_end(fiber& self, vervet_fiber& target, deadline until) {
  local_joiner joiner;
  joiner.who = &self;
  joiner.epoch = self.next_epoch();
  joiner.is_main = self.handle == nullptr;
  joiner.inside = true;
  bool counted = until == never && (scope::has_none_but_root(self) || !scope::bounded());
  if (counted) [[likely]]
    flows.begin_here(joiner);
  joiner.enter(target.joiners);
  wake_reason reason = park_here(self, wait_class::api, until);
  joiner.leave(target.joiners);
  if (counted) [[likely]]
    flows.end_here(joiner);
  return reason;
}

namespace handle {

// As join_otherwise(). Mostly it is a fiber of the caller's hub that is joined, and ends.
inline int join(vervet_fiber& target, deadline until) {
  fiber* self = light_hub::shares_hub_with(target);
  if (self == nullptr || self->handle == &target) [[unlikely]]
    return join_otherwise(target, until);
  wake_reason reason = self->hub->park_for_end(*self, target, until);
  if (reason == wake_reason::ready) [[likely]]
    return 0;
  return join_after(target, until, reason);
}

}  // namespace handle
}  // namespace vervet
