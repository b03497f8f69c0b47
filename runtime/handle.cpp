#include "runtime/handle.h"

#include <errno.h>
#include <utility>

#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace handle {

flow_set run_set{flow_set::shared};

namespace {

// Whatever is there, if the block's fiber has ended: another thread may be making another one.
__attribute__((no_sanitize("thread"))) light_hub* hub_of(const fiber& block) {
  return __atomic_load_n(&block.hub, __ATOMIC_ACQUIRE);
}

struct caller {
  flow_set* set = nullptr;  // null: a flow of no set
  bool is_main = false;
};

caller who_calls() {
  fiber* current = self_state.current;
  if (current == nullptr) return {};
  vervet_fiber* own = current->handle;
  if (own != nullptr)
    return {&set_of(*own), (own->marks.load(std::memory_order_relaxed) & own->is_main) != 0};
  if (current->kind == fiber_kind::light) return {&current->hub->flows, true};
  return {};
}

// False if the fiber was killed before its start.
bool wait_for_start(fiber& self) {
  runtime_scope inside;
  while (self.call.start > now() && !scope::due()) {
    self.arm(wait_class::api);
    if (park(self, wait_for::sleep, self.call.start) == wake_reason::interrupted)
      handle_interruption(false);
  }
  if (!scope::due()) return true;
  vervet_check_killed();
  return false;
}

// The caller's wait while it is closed (deadlock.h): it has no deadline, and no scope around it has one.
class closed_park {
 public:
  // `set`: null if the wait is not to be counted.
  closed_park(flow_set* set, parker& self, bool is_main, bool inside) : set_(set) {
    wait_.who = &self;
    wait_.is_main = is_main;
    wait_.inside = inside;
  }
  // The caller begins its wait `epoch`.
  void begins(uint64_t epoch) {
    if (set_ == nullptr) return;
    wait_.epoch = epoch;
    set_->begin(wait_);
  }
  ~closed_park() {
    if (wait_.linked()) set_->end(wait_);
  }
  closed_park(const closed_park&) = delete;
  closed_park& operator=(const closed_park&) = delete;

 private:
  flow_set* set_;
  closed_wait wait_;
};

// True if the target runs on the hub of the calling light flow: then it cannot end meanwhile.
bool runs_here(const vervet_fiber& target) {
  fiber* current = self_state.current;
  if (current == nullptr || current->kind != fiber_kind::light) return false;
  fiber* block = target.block.load(std::memory_order_acquire);
  if (block == nullptr || hub_of(*block) != current->hub) return false;
  // On another hub it may have ended, and the block have been something else by then.
  return !target.has_ended();
}

}  // namespace

}  // namespace handle

// One that joins a fiber of its own hub: nobody else touches the ring. On the joiner's stack.
struct local_joiner {
  parker& who;
  uint64_t epoch = 0;
  local_joiner* next = nullptr;  // null: not in the ring
  local_joiner* previous = nullptr;

  void enter(local_joiner*& first) {
    if (first == nullptr) {
      first = next = previous = this;
      return;
    }
    next = first;
    previous = first->previous;
    previous->next = first->previous = this;
  }
  void leave(local_joiner*& first) {
    if (next == nullptr) return;
    previous->next = next;
    next->previous = previous;
    if (first == this) first = next == this ? nullptr : next;
    next = previous = nullptr;
  }
};

namespace handle {

flow_set& set_of(const vervet_fiber& target) {
  fiber* block = target.block.load(std::memory_order_acquire);
  light_hub* hub = block != nullptr ? hub_of(*block) : nullptr;
  return hub != nullptr ? hub->flows : run_set;
}

bool kill(vervet_fiber& target) {
  // The fiber shows that it has ended, then looks at this: its memory stays while it is awaited.
  target.marks.fetch_add(1, std::memory_order_seq_cst);
  bool runs = !target.has_ended();
  if (runs) {
    fiber* block = target.block.load(std::memory_order_seq_cst);
    if (block == nullptr) {
      // It shows its block, then looks at this.
      target.marks.fetch_or(target.killed_early, std::memory_order_seq_cst);
      block = target.block.load(std::memory_order_seq_cst);
      // It may have been killed by that mark, and have gone on since.
      if (block != nullptr && !record::take_early_kill(target)) block = nullptr;
    }
    if (block != nullptr) scope::kill(*block);
  }
  target.marks.fetch_sub(1, std::memory_order_release);
  return runs;
}

void finish(vervet_fiber& target, handle_state state) {
  flow_set& set = set_of(target);
  local_joiner* joiners = std::exchange(target.joiners, nullptr);
  if ((target.marks.load(std::memory_order_relaxed) & target.is_main) != 0) set.main_ends();
  bool was_last = record::end(target, state);
  // From here on somebody else may have it, and it may be another fiber's. Who is about to kill this one
  // may have found its wait, and looks at its memory once more.
  while ((target.marks.load(std::memory_order_seq_cst) & target.kill_calls) != 0) [[unlikely]]
    sys::call(SYS_sched_yield);
  while (local_joiner* first = joiners) {
    first->leave(joiners);
    wake(first->who, first->epoch, wake_reason::ready);
  }
  lot::unpark(&target.word, ~0u);
  // Not before: the joiners would count as waiting, and nobody to wake them.
  set.remove_flow();
  if (was_last) record::give(target);
}

lot::outcome park_api(lot::request request, const flow_set* ended_by) {
  parker& self = self_parker();
  caller me = who_calls();
  bool counted = me.set != nullptr && request.until == never && !scope::bounded();
  closed_park closed(counted ? me.set : nullptr, self, me.is_main, ended_by == me.set);
  auto begins = [&] {
    closed.begins(parker::epoch_of(self.word.load(std::memory_order_relaxed)));
    return true;
  };
  request.interruptible = wait_class::api;
  request.before_sleep = begins;
  lot::outcome outcome = lot::park(request);
  if (outcome == lot::outcome::interrupted) handle_interruption(false);
  // One meant for an earlier wait of ours.
  if (outcome == lot::outcome::cut && !scope::due()) return lot::outcome::unparked;
  return outcome;
}

void run_late(fiber& self) {
  if (wait_for_start(self))
    self.handle->result = self.call.entry(self.call.argument);
  else if (self.call.discard != nullptr)
    self.call.discard(self.call.argument);
}

namespace {

wake_reason park_for_end(vervet_fiber& target, deadline until) {
  fiber& self = *self_state.current;
  flow_set& set = self.hub->flows;
  bool counted = until == never && (self.plain() || !scope::bounded());
  closed_park closed(counted ? &set : nullptr, self, self.handle == nullptr, true);
  local_joiner joiner{self, self.next_epoch()};
  joiner.enter(target.joiners);
  closed.begins(joiner.epoch);
  wake_reason reason = park_here(self, wait_class::api, until);
  joiner.leave(target.joiners);
  return reason;
}

lot::outcome wait_for_end(vervet_fiber& target, deadline until) {
  if (runs_here(target)) {
    wake_reason reason = park_for_end(target, until);
    if (reason == wake_reason::ready) [[likely]]
      return lot::outcome::unparked;
    if (reason == wake_reason::interrupted) handle_interruption(false);
    if (reason == wake_reason::cut && !scope::due()) return lot::outcome::unparked;
    return lot::outcome_of(reason);
  }
  auto not_over = [&] { return !target.has_ended(); };
  return park_api(
      {.address = &target.word, .what = wait_for::join, .until = until, .validate = not_over},
      &set_of(target));
}

}  // namespace

int join(vervet_fiber& target, deadline until) {
  if (!target.has_ended() && !record::is_of_this_process(target)) return EOWNERDEAD;
  while (!target.has_ended()) {
    fiber* current = self_state.current;
    if (current != nullptr && current->handle == &target) return EDEADLK;
    lot::outcome outcome = wait_for_end(target, until);
    if (outcome == lot::outcome::unparked) [[likely]]
      continue;
    if (target.has_ended()) break;
    if (outcome == lot::outcome::timed_out) return ETIMEDOUT;
    if (outcome == lot::outcome::cut) return ECANCELED;
    if (outcome == lot::outcome::deadlock) return EDEADLK;
  }
  return target.state() == handle_state::ended ? 0 : EOWNERDEAD;
}

}  // namespace handle
}  // namespace vervet
