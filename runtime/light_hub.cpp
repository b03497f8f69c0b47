#include "runtime/light_hub.h"

#include <errno.h>
#include <new>
#include <stdlib.h>
#include <string.h>
#include <utility>

#include "runtime/check.h"
#include "runtime/handle.h"
#include "runtime/light_switch.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace {

// Fibers that a hub keeps with a warm stack for its next ones; those beyond go back, their pages returned.
constexpr uint32_t most_free_fibers = 128 * 1024;
// So many it keeps for ever. Of the others, those that it has not needed for a while go back when it sleeps.
constexpr uint32_t always_kept_fibers = 1024;
constexpr int64_t time_between_trims = 1'000'000'000;
// How many rounds a hub with work runs before its host lets other full fibers run.
constexpr uint32_t rounds_per_host_turn = 64;
// How many turns fibers have before a hub that never sleeps looks into its poller.
constexpr uint64_t most_turns_unwatched = 61;
// Values of asleep_.
constexpr uint32_t on_futex = 1;
constexpr uint32_t in_poller = 2;

// The control block lies on top of the slot; the last word is the stack allocator's. Not at the same
// distance in all slots, or all blocks would share a few lines of the processor's caches.
light_fiber* block_in(stack_slot slot) {
  constexpr uintptr_t line = 64, colours = 8;
  uintptr_t colour = reinterpret_cast<uintptr_t>(slot.base) / slot.size % colours * line;
  auto top = reinterpret_cast<uintptr_t>(slot.top() - 16 - sizeof(light_fiber)) - colour;
  return reinterpret_cast<light_fiber*>(top & ~(line - 1));
}

// Of an address that may be nobody's.
void fetch(uintptr_t address) { __builtin_prefetch(reinterpret_cast<const void*>(address), 1); }

char* stack_low(const light_fiber& f) { return f.stack.base + stack_guard_size; }

size_t stack_bytes(light_fiber& f) { return reinterpret_cast<char*>(&f) - stack_low(f); }

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

// While the host has no light fibers, nobody waits for it: it is not watched, and its flow is the
// identity's own.
void light_hub::own_flow_is_one_of_many() {
  if (!own_flow_alone_) return;
  own_flow_alone_ = false;
  main_flow_.own = own_state();
  main_flow_.root.flags = main_flow_.own.scopes != nullptr ? scope_has_inner : 0;
  self_state.current = &main_flow_;
  watched_.resume();
}

// REQUIRES: its own flow runs.
void light_hub::own_flow_is_alone() {
  own_flow_alone_ = true;
  watched_.pause();
  self_state.current = host_;
  own_state() = main_flow_.own;
  if (host_ != nullptr) scope::set_innermost(main_flow_.own.scopes);
}

// It is told when it runs again.
void light_hub::own_flow_left_alone() { main_flow_.root.flags |= scope_of_flow_left_alone; }

void light_hub::own_flow_returns(fiber& self) {
  if (&self == &main_flow_ && alone()) own_flow_is_alone();
}

light_fiber* light_hub::make_fiber(size_t stack_size, int& error) {
  error = EINVAL;
  if (stack_size < least_stack_size) return nullptr;
  size_t slot_size = stack_class(stack_size - stack_guard_size);
  if (slot_size == 0) return nullptr;
  error = EAGAIN;
  stack_slot slot = stack_take(slot_size);
  if (!slot) return nullptr;
  light_fiber* f = new (block_in(slot)) light_fiber;
  f->stack = slot;
  f->kind_of_sleeper = sleeper_kind::fiber;
  f->kind = fiber_kind::light;
  return f;
}

light_fiber* light_hub::take_fiber(size_t stack_size, int& error) {
  if (stack_size == 0) stack_size = default_stack_size;
  if (corpse_ != nullptr && corpse_->stack.size == stack_size) {
    light_fiber* f = std::exchange(corpse_, nullptr);
    sanitizer::stack_gone(f->tools);
    return f;
  }
  bury();
  if (free_fibers_ == nullptr || stack_size != default_stack_size)
    return make_fiber(stack_size, error);
  fiber* f = free_fibers_;
  free_fibers_ = f->next_queued;
  // Perhaps many are made at once.
  auto coming = reinterpret_cast<uintptr_t>(free_fibers_);
  for (unsigned line = 0; line < sizeof(light_fiber); line += 64) fetch(coming + line);
  fetch(coming - 64);
  if (--free_count_ < least_free_) least_free_ = free_count_;
  return &light(*f);
}

void light_hub::prepare(light_fiber& f, vervet_fiber& record, const spawn_call& call) {
  f.forget_flow();
  f.hub = this;
  f.handle = &record;
  f.call = call;
  f.number = record.number;
  // Epochs only grow, whatever this memory was before: a fiber's number is new, and leaves it 2^24.
  f.word.store(parker::pack(record.number << 24, wake_reason::none, park_state::awake),
               std::memory_order_relaxed);
  sanitizer::stack_made(f.tools, stack_low(f), stack_bytes(f));
  context_begin(f.flow, stack_low(f), stack_bytes(f), enter);
  record.block.store(&f, std::memory_order_release);
}

int light_hub::spawn(vervet_fiber& record, const spawn_call& call, size_t stack_size) {
  int error;
  light_fiber* f = take_fiber(stack_size, error);
  if (f == nullptr) return error;
  prepare(*f, record, call);
  adopt(*f);
  push(*f);
  return 0;
}

int light_hub::spawn_from_outside(vervet_fiber& record, const spawn_call& call,
                                  size_t stack_size) {
  int error;
  light_fiber* f = make_fiber(stack_size == 0 ? default_stack_size : stack_size, error);
  if (f == nullptr) return error;
  f->from_outside = true;
  prepare(*f, record, call);
  f->life.store(fiber_life::fresh, std::memory_order_relaxed);
  enqueue(*f);
  return 0;
}

void light_hub::adopt(light_fiber& f) {
  f.life.store(fiber_life::alive, std::memory_order_relaxed);
  fibers_.push_back(&f);
  flows.add_flow();
  // Now there is somebody to switch to.
  if (exceptions_ == nullptr ||
      cxx_runtimes.load(std::memory_order_acquire) != exception_states_known_) [[unlikely]]
    find_exception_states();
  own_flow_is_one_of_many();
  ++alive_;
}

// Part of enter(): a call that does not return leaves the processor's stack of return addresses one off, and
// the flow that goes on mispredicts all its returns.
[[gnu::always_inline]] inline void light_hub::end(light_fiber& self) {
  // A forked child: this flow was all there was, as if it were the last thread.
  if (self_state.hub != this) {
    runtime_scope::leave();
    exit(0);
  }
  self.life.store(fiber_life::finished, std::memory_order_relaxed);
  list<fiber_alive>::remove(&self);
  --alive_;
  if (alone()) own_flow_left_alone();
  handle::finish(*self.handle, handle_state::ended);
  fiber* to = next();
  bury();
  corpse_ = &self;
  jump(self, *to, true);
  __builtin_unreachable();
}

void light_hub::enter(arrival from) {
  context_arrive(from);
  auto& self = light(*self_state.current);
  light_hub& hub = *self.hub;
  if constexpr (sanitizer::told_of_switches) sanitizer::arrived(nullptr, hub.left_->tools);
  self_state.in_runtime = 0;
  *hub.errno_ = 0;
  handle::run(self);

  runtime_scope::enter();
  hub.end(self);
}

// REQUIRES: the fiber that has ended last was left: not between its end and the jump.
void light_hub::bury() {
  light_fiber* f = corpse_;
  if (f == nullptr) return;
  corpse_ = nullptr;
  sanitizer::stack_gone(f->tools);
  uint32_t most = f->from_outside ? always_kept_fibers : most_free_fibers;
  if (f->stack.size == default_stack_size && free_count_ < most) {
    f->next_queued = free_fibers_;
    free_fibers_ = f;
    ++free_count_;
    return;
  }
  stack_slot slot = f->stack;
  stack_trim(slot, reinterpret_cast<char*>(f));
  stack_give(slot);
}

// Called before the hub sleeps.
void light_hub::trim() {
  deadline time = now();
  if (time < trim_at_) return;
  // Half, so that what comes in bursts finds some of it again.
  for (uint32_t unused = least_free_ / 2; unused != 0 && free_count_ > always_kept_fibers; --unused) {
    fiber* f = free_fibers_;
    free_fibers_ = f->next_queued;
    --free_count_;
    stack_slot slot = f->stack;
    stack_trim(slot, reinterpret_cast<char*>(f));
    stack_give(slot);
  }
  least_free_ = free_count_;
  trim_at_ = time + time_between_trims;
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

[[gnu::flatten]] void light_hub::leave(fiber& self) {
  fiber* to = next();
  if (to == &self)
    begin_turn(*to);
  else
    switch_to(self, *to);
  own_flow_returns(self);
}

[[gnu::flatten]] void light_hub::yield(fiber& self) {
  auto requeue = [](void* f) { static_cast<fiber*>(f)->hub->push(*static_cast<fiber*>(f)); };
  leave(self, requeue, &self);
}

// The seldom ends of yield_plain(), out of its way.
[[gnu::noinline]] bool light_hub::yield_to_nobody(fiber& self) {
  begin_turn(self);
  runtime_scope::leave();
  return self.plain();
}
[[gnu::noinline]] bool light_hub::deferred_then_plain() {
  run_deferred();
  return self_state.current->plain();
}

// Those who wait for that as well stand in the queue, and do not count. Nobody is looked at twice: up to
// `looked_at_`, which stands there until `turn_of_looked_at_`, there are only such.
bool light_hub::others_ready() {
  if (inbox_filled_.load(std::memory_order_relaxed) != 0) return true;
  uint64_t turn = watched_.turn.load(std::memory_order_relaxed);
  fiber* f = first_ready_;
  if (turn < turn_of_looked_at_) {
    if (!looked_at_->idles) return true;
    if (looked_at_ == last_ready_) return false;
    f = looked_at_->next_queued;
    turn = turn_of_looked_at_;
  }
  for (;; f = f->next_queued) {
    if (f != &round_end_) {
      looked_at_ = f;
      turn_of_looked_at_ = turn += watchdog::watched::step;
      if (!f->idles) return true;
    }
    if (f == last_ready_) return false;
  }
}

void light_hub::yield_to_all(fiber& self) {
  do {
    if (poller_.is_open()) look(at_once);
    self.idles = true;
    yield(self);
    self.idles = false;
  } while (others_ready() && !scope::due());
}

// Who becomes runnable during a round runs in the next one: a fiber that only yields delays a due
// timer by one turn of each of the others, not for ever.
// REQUIRES: `round_end_` stands first in the queue. Returns who is first of the new round.
[[gnu::noinline]] fiber* light_hub::begin_round() {
  look_around();
  while (last_ready_ == &round_end_) {
    idle();
    look_around();
  }
  return rotate();
}

inline void light_hub::look_around() {
  if (watching_ != 0 && poller_.is_open() &&
      watched_.turn.load(std::memory_order_relaxed) - turn_of_last_look_ >=
          watchdog::watched::step * most_turns_unwatched)
    look(at_once);
  if (inbox_filled_.load(std::memory_order_relaxed) != 0) take_inbox();
  if (!timers_.empty()) fire_timers();
  if (host_ != nullptr && last_ready_ != &round_end_ &&
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
  if (free_count_ > always_kept_fibers) {
    trim();
    if (free_count_ > always_kept_fibers && trim_at_ < until) until = trim_at_;
  }
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
