#include "runtime/handle.h"

#include <errno.h>

#include "runtime/interrupt.h"
#include "runtime/light_join.h"
#include "runtime/parking_lot.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace handle {

flow_set run_set{flow_set::shared};

namespace {

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

}  // namespace

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

void end_was_awaited(vervet_fiber& ended) {
  // Who is about to kill it may have found its wait, and looks at its memory once more.
  while ((ended.marks.load(std::memory_order_seq_cst) & ended.kill_calls) != 0)
    sys::call(SYS_sched_yield);
  lot::unpark(&ended.word, ~0u);
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

lot::outcome outcome_here(wake_reason reason) {
  if (reason == wake_reason::interrupted) handle_interruption(false);
  // One meant for an earlier wait of ours.
  if (reason == wake_reason::cut && !scope::due()) return lot::outcome::unparked;
  return lot::outcome_of(reason);
}

lot::outcome wait_for_end(vervet_fiber& target, deadline until) {
  if (fiber* self = light_hub::shares_hub_with(target))
    return outcome_here(self->hub->park_for_end(*self, target, until));
  // It shows that it has ended, then looks at this.
  target.marks.fetch_or(target.joined_from_elsewhere, std::memory_order_seq_cst);
  auto not_over = [&] { return !target.has_ended(); };
  return park_api(
      {.address = &target.word, .what = wait_for::join, .until = until, .validate = not_over},
      &set_of(target));
}

int error_of_end(const vervet_fiber& target) {
  return target.state() == handle_state::ended ? 0 : EOWNERDEAD;
}

}  // namespace

int join_after(vervet_fiber& target, deadline until, wake_reason reason) {
  lot::outcome outcome = outcome_here(reason);
  while (!target.has_ended()) {
    if (int error = lot::error_of(outcome)) return error;
    outcome = wait_for_end(target, until);
  }
  return error_of_end(target);
}

int join_otherwise(vervet_fiber& target, deadline until) {
  if (target.has_ended()) return error_of_end(target);
  if (!record::is_of_this_process(target)) return EOWNERDEAD;
  if (vervet_current() == &target) return EDEADLK;
  return join_after(target, until, wake_reason::ready);
}

}  // namespace handle
}  // namespace vervet
