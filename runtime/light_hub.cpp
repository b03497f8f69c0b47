#include "runtime/light_hub.h"

#include <errno.h>
#include <string.h>

#include "runtime/check.h"
#include "runtime/handle.h"
#include "runtime/light_switch.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace {

// How many rounds a hub with work runs before its host lets other full fibers run.
constexpr uint32_t rounds_per_host_turn = 64;
// How many turns fibers have before a hub that never sleeps looks into its poller.
constexpr uint64_t most_turns_unwatched = 61;
// Values of asleep_.
constexpr uint32_t on_futex = 1;
constexpr uint32_t in_poller = 2;

constexpr exception_state no_exceptions = {nullptr, 0};
constexpr exception_state never_clean = {nullptr, 1};

}  // namespace

// Of one flow, while others of its host run.
struct light_hub::exception_states {
  unsigned known;
  char bytes[most_cxx_runtimes][exception_state_size];
};

// The places are the identity's for life: asked for once. A runtime may register late.
void light_hub::find_exception_states() {
  while (void* state = exception_state_here(exception_states_known_))
    exception_states_[exception_states_known_++] = state;
  if (exception_states_known_ == 0)
    exceptions_ = &no_exceptions;
  else if (exception_states_known_ == 1)
    exceptions_ = static_cast<exception_state*>(exception_states_[0]);
  else
    exceptions_ = &never_clean;
}

void light_hub::switch_with_exceptions(fiber& from, fiber& to) {
  exception_states kept;
  kept.known = exception_states_known_;
  for (unsigned i = 0; i < kept.known; ++i) {
    memcpy(kept.bytes[i], exception_states_[i], exception_state_size);
    memset(exception_states_[i], 0, exception_state_size);
  }
  jump(from, to, false);
  for (unsigned i = 0; i < kept.known; ++i)
    memcpy(exception_states_[i], kept.bytes[i], exception_state_size);
}

void light_hub::enqueue(fiber& f) {
  if (self_state.hub == this) return push(f);
  inbox_lock_.acquire();
  inbox_.push(&f);
  inbox_filled_.store(1, std::memory_order_relaxed);
  wake_host();
}

// REQUIRES: inbox_lock_, which it releases. What was put in keeps a host that wakes by itself from
// ending before that.
void light_hub::wake_host() {
  uint32_t was_asleep = asleep_.exchange(0, std::memory_order_relaxed);
  if (was_asleep == in_poller) poller_.interrupt();
  if (was_asleep != 0 && host_ != nullptr) wake(*host_, host_epoch_, wake_reason::ready);
  bool wakes_thread = was_asleep == on_futex && host_ == nullptr;
  inbox_lock_.release();
  // The hub may be gone by now; a wake at its address hurts nobody.
  if (wakes_thread) sys::futex_wake(&asleep_, 1);
}

// Flat: after a jump the processor mispredicts every return, so there should be few.
[[gnu::flatten]] void light_hub::leave(fiber& self, commit_function commit, void* argument) {
  // Before the switch: only this identity runs what it makes runnable, and it is not there yet.
  commit(argument);
  leave(self);
}

[[gnu::flatten]] void light_hub::leave(fiber& self) { leave_here(self); }

// A scope may cut it, or its deadline be the nearer one.
[[gnu::noinline]] wake_reason light_hub::park_here_scoped(fiber& self, uint64_t epoch,
                                                          deadline until) {
  deadline bound = until;
  if (!scope::begin_wait(self, bound)) {
    wake(self, epoch, wake_reason::cut);
    bound = never;
  }
  wake_reason reason = sleep_here(self, epoch, bound);
  scope::end_wait();
  return reason == wake_reason::timed_out && bound < until ? wake_reason::cut : reason;
}

void light_hub::retract_here(fiber& self, uint64_t epoch) {
  uint64_t asleep = parker::pack(epoch, wake_reason::none, park_state::asleep);
  uint64_t awake = parker::pack(epoch, wake_reason::none, park_state::awake);
  if (self.word.compare_exchange_strong(asleep, awake, std::memory_order_acq_rel)) return;
  leave(self);
  self.finish_wait();
}

[[gnu::flatten]] void light_hub::yield(fiber& self) {
  auto requeue = [](void* f) { static_cast<fiber*>(f)->hub->push(*static_cast<fiber*>(f)); };
  leave(self, requeue, &self);
}

// The seldom ways of yield_plain().
int light_hub::yielded_otherwise() {
  if (deferred_work.load(std::memory_order_relaxed) != 0) run_deferred();
  runtime_scope scope;
  // A host's own flow is none of its hub's any more if it has been told that it is alone.
  if (fiber* self = self_state.current; self != nullptr && self->kind == fiber_kind::light)
    self->hub->own_flow_returns(*self);
  return scope::due() ? ECANCELED : 0;
}

int light_hub::yield_queued(fiber& self) {
  self.hub->leave(self);
  return yielded(self);
}

int light_hub::yield_in_full_queue(fiber& self) {
  self.hub->ready_.grow();
  return yield_queued(self);
}

int light_hub::yield_to_nobody(fiber& self) {
  self.hub->begin_turn(self);
  return yielded(self);
}

int light_hub::yield_with_exceptions(fiber& self, fiber& to) {
  self.hub->switch_with_exceptions(self, to);
  *self.hub->errno_ = self.kept_errno;
  return yielded(self);
}

// Those who wait for that as well stand in the queue, and do not count; nor does the end of the round.
bool light_hub::others_ready() const {
  return inbox_filled_.load(std::memory_order_relaxed) != 0 || ready_.size() > idlers_ + 1;
}

void light_hub::yield_to_all(fiber& self) {
  do {
    if (poller_.is_open()) look(at_once);
    ++idlers_;
    yield(self);
    --idlers_;
  } while (others_ready() && !scope::due());
}

// Who becomes runnable during a round runs in the next one: a fiber that only yields delays a due
// timer by one turn of each of the others, not for ever.
// REQUIRES: `round_end_` stands first in the queue, and not alone afterwards.
[[gnu::noinline]] void light_hub::begin_round() {
  look_around();
  while (ready_.only_round_end()) {
    idle();
    look_around();
  }
}

inline void light_hub::look_around() {
  if (watching_ != 0 && poller_.is_open() &&
      watched_.turn.load(std::memory_order_relaxed) - turn_of_last_look_ >=
          watchdog::watched::step * most_turns_unwatched)
    look(at_once);
  if (inbox_filled_.load(std::memory_order_relaxed) != 0) take_inbox();
  if (!timers_.empty()) fire_timers();
  if (host_ != nullptr && !ready_.only_round_end() &&
      ++busy_rounds_ % rounds_per_host_turn == 0) {
    watched_.pause();
    self_state.current = host_;
    scheduler::yield();
    watched_.resume();
  }
}

void light_hub::take_inbox() {
  lock_guard guard(inbox_lock_);
  inbox_filled_.store(0, std::memory_order_relaxed);
  while (fiber* f = inbox_.pop()) {
    if (f->life.load(std::memory_order_relaxed) == fiber_life::fresh) adopt(light(*f));
    push(*f);
  }
  // The host's flow may have been told that it is alone, and not have had its turn yet.
  if (!alone()) main_flow_.root.flags &= ~scope_of_flow_left_alone;
  while (watcher* w = fired_.pop_front()) due_.push_back(w);
  if (!due_.empty()) call_back_soon();
}

void light_hub::fire_timers() {
  deadline time = now();
  while (timer_node* node = timers_.pop_due(time))
    wake(*node->who, node->epoch, wake_reason::timed_out);
}

void light_hub::add_timer(timer_node& node, deadline until) {
  CHECK(timers_.add(node, until), "no memory for a timer");
}

[[gnu::noinline]] void light_hub::idle() {
  deadline until = timers_.earliest();
  uint64_t turn = watched_.turn.load(std::memory_order_relaxed);
  if (turn != turn_of_last_idleness_) later_looks_.reset();
  // Told: a flow is runnable.
  auto nothing_came = [this] { return inbox_filled_.load(std::memory_order_acquire) == 0; };
  if (until == never && flows.all_wait()) {
    if (flows.tell(nothing_came)) return;
    until = later_looks_.next();
  }
  if (deadline again = trim(); again < until) until = again;
  watched_.pause();
  if (host_ == nullptr)
    sleep_os_thread(until);
  else
    park_host(until);
  watched_.resume();
  turn_of_last_idleness_ = watched_.turn.load(std::memory_order_relaxed);
}

void light_hub::sleep_os_thread(deadline until) {
  {
    lock_guard guard(inbox_lock_);
    if (!inbox_.empty() || !fired_.empty() || !due_.empty()) return;
    asleep_.store(poller_.is_open() ? in_poller : on_futex, std::memory_order_relaxed);
  }
  if (poller_.is_open()) return look(until);
  timespec at = timespec_of(until);
  sys::futex_wait(&asleep_, on_futex, until == never ? nullptr : &at);
  asleep_.store(0, std::memory_order_relaxed);
}

// A signal for the host is one for its own flow, which is parked too.
void light_hub::park_host(deadline until) {
  uint64_t seen = main_flow_.word.load(std::memory_order_acquire);
  bool own_flow_waits = parker::state_of(seen) == park_state::asleep;
  inbox_lock_.acquire();
  if (!inbox_.empty() || !fired_.empty() || !due_.empty()) return inbox_lock_.release();
  // The scopes are those of whichever flow left last, and its own wait's business.
  auto accepts = static_cast<uint32_t>(main_flow_.present.load(std::memory_order_relaxed)) &
                 ~static_cast<uint32_t>(wait_class::scopes);
  host_epoch_ = host_->arm(own_flow_waits ? static_cast<wait_class>(accepts)
                                          : wait_class::uninterruptible);
  asleep_.store(on_futex, std::memory_order_relaxed);
  inbox_lock_.release();

  self_state.current = host_;
  wake_reason reason = park(*host_, wait_for::other, until);
  asleep_.store(0, std::memory_order_relaxed);
  if (reason == wake_reason::interrupted)
    wake(main_flow_, parker::epoch_of(seen), wake_reason::interrupted);
}

}  // namespace vervet
