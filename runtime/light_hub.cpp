#include "runtime/light_hub.h"

#include <errno.h>
#include <new>
#include <stdlib.h>
#include <string.h>

#include "runtime/check.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace {

// Stacks that a hub keeps warm for its next fibers; those beyond go back, their pages returned.
constexpr uint32_t most_free_fibers = 1024;
// How many rounds a hub with work runs before its host lets other full fibers run.
constexpr uint32_t rounds_per_host_turn = 64;
// How many turns fibers have before a hub that never sleeps looks into its poller.
constexpr uint32_t most_turns_unwatched = 61;
// Values of asleep_.
constexpr uint32_t on_futex = 1;
constexpr uint32_t in_poller = 2;

light_fiber& light(fiber& f) { return static_cast<light_fiber&>(f); }

// The control block lies on top of the slot; the last word is the stack allocator's.
light_fiber* block_in(stack_slot slot) {
  auto top = reinterpret_cast<uintptr_t>(slot.top() - 16 - sizeof(light_fiber));
  return reinterpret_cast<light_fiber*>(top & ~uintptr_t{63});
}

char* stack_low(const light_fiber& f) { return f.stack.base + stack_guard_size; }

size_t stack_bytes(light_fiber& f) { return reinterpret_cast<char*>(&f) - stack_low(f); }

}  // namespace

// What each of a host's flows has one of, although they share its TLS.
struct light_hub::kept_state {
  int error;
  uint32_t in_runtime;
  vervet_scope* scopes;
  void* local;
  unsigned exceptions_known;
  char exceptions[most_cxx_runtimes][exception_state_size];
};

// The places are the identity's for life: asked for once. A runtime may register late.
void light_hub::find_exception_states() {
  while (void* state = exception_state_here(exception_states_known_))
    exception_states_[exception_states_known_++] = state;
}

inline void light_hub::keep(kept_state& kept) {
  kept.error = errno;
  kept.in_runtime = self_state.in_runtime;
  kept.scopes = self_state.scopes;
  kept.local = self_state.local;
  kept.exceptions_known = exception_states_known_;
  for (unsigned i = 0; i < exception_states_known_; ++i)
    memcpy(kept.exceptions[i], exception_states_[i], exception_state_size);
}

inline void light_hub::restore(const kept_state& kept) {
  for (unsigned i = 0; i < kept.exceptions_known; ++i)
    memcpy(exception_states_[i], kept.exceptions[i], exception_state_size);
  for (unsigned i = kept.exceptions_known; i < exception_states_known_; ++i)
    memset(exception_states_[i], 0, exception_state_size);
  self_state.in_runtime = kept.in_runtime;
  self_state.scopes = kept.scopes;
  self_state.local = kept.local;
  errno = kept.error;
}

// A flow that starts: no error, no exception, in the program's code.
inline void light_hub::start_clean() {
  for (unsigned i = 0; i < exception_states_known_; ++i)
    memset(exception_states_[i], 0, exception_state_size);
  self_state.in_runtime = 0;
  self_state.scopes = nullptr;
  self_state.local = nullptr;
  errno = 0;
}

inline void light_hub::begin_turn(fiber& f) {
  watched_.begin_turn();
  // The watchdog, and its handler on this thread: where they see the old turn, its fiber is current.
  std::atomic_signal_fence(std::memory_order_seq_cst);
  self_state.current = &f;
}

// While the host has no light fibers, nobody waits for it: it is not watched.
void light_hub::own_flow_is_one_of_many() {
  self_state.current = &main_flow_;
  watched_.resume();
}

void light_hub::own_flow_is_alone() {
  watched_.pause();
  self_state.current = host_;
}

stack_slot light_hub::take_stack(size_t slot_size) {
  if (free_fibers_ == nullptr || free_fibers_->stack.size != slot_size)
    return stack_take(slot_size);
  stack_slot slot = free_fibers_->stack;
  free_fibers_ = free_fibers_->next_queued;
  --free_count_;
  return slot;
}

int light_hub::spawn(vervet_fiber& record, size_t stack_size) {
  if (stack_size == 0) stack_size = default_stack_size;
  if (stack_size < least_stack_size) return EINVAL;
  size_t slot_size = stack_class(stack_size - stack_guard_size);
  if (slot_size == 0) return EINVAL;
  stack_slot slot = take_stack(slot_size);
  if (!slot) return EAGAIN;

  light_fiber* f = make_fiber(record, slot);
  flows.add_flow();
  adopt(*f);
  push(*f);
  return 0;
}

int light_hub::spawn_from_outside(vervet_fiber& record, size_t stack_size) {
  if (stack_size == 0) stack_size = default_stack_size;
  if (stack_size < least_stack_size) return EINVAL;
  size_t slot_size = stack_class(stack_size - stack_guard_size);
  if (slot_size == 0) return EINVAL;
  stack_slot slot = stack_take(slot_size);
  if (!slot) return EAGAIN;
  light_fiber* f = make_fiber(record, slot);
  f->life.store(fiber_life::fresh, std::memory_order_relaxed);
  flows.add_flow();
  enqueue(*f);
  return 0;
}

light_fiber* light_hub::make_fiber(vervet_fiber& record, stack_slot slot) {
  light_fiber* f = new (block_in(slot)) light_fiber;
  f->stack = slot;
  f->kind_of_sleeper = sleeper_kind::fiber;
  f->kind = fiber_kind::light;
  f->hub = this;
  f->handle = &record;
  f->number = record.number;
  f->life.store(fiber_life::alive, std::memory_order_relaxed);
  // Epochs only grow, whatever this memory was before: a fiber's number is new, and leaves it 2^24.
  f->word.store(parker::pack(record.number << 24, wake_reason::none, park_state::awake),
                std::memory_order_relaxed);
  sanitizer::stack_made(f->tools, stack_low(*f), stack_bytes(*f));
  context_make(f->flow, stack_low(*f), stack_bytes(*f), enter, f);
  return f;
}

void light_hub::adopt(light_fiber& f) {
  f.life.store(fiber_life::alive, std::memory_order_relaxed);
  find_exception_states();
  fibers_.push_back(&f);
  if (alone()) own_flow_is_one_of_many();
  ++alive_;
}

void light_hub::enter(void* argument) {
  auto& self = *static_cast<light_fiber*>(argument);
  self.hub->arrived(nullptr);
  self.hub->start_clean();
  handle::run(*self.handle);

  runtime_scope::enter();
  self.hub->end(self);
}

void light_hub::end(light_fiber& self) {
  // A forked child: this flow was all there was, as if it were the last thread.
  if (self_state.hub != this) {
    runtime_scope::leave();
    exit(0);
  }
  self.life.store(fiber_life::finished, std::memory_order_relaxed);
  list<fiber_alive>::remove(&self);
  --alive_;
  handle::finish(*self.handle, handle_state::ended);
  switch_to(self, *next(), recycle);
  __builtin_unreachable();
}

// Runs on the stack that was switched to.
void light_hub::recycle(void* argument) {
  auto& f = *static_cast<light_fiber*>(argument);
  light_hub& hub = *f.hub;
  sanitizer::stack_gone(f.tools);
  if (f.stack.size == default_stack_size && hub.free_count_ < most_free_fibers) {
    f.next_queued = hub.free_fibers_;
    hub.free_fibers_ = &f;
    ++hub.free_count_;
    return;
  }
  stack_slot slot = f.stack;
  stack_trim(slot, reinterpret_cast<char*>(&f));
  stack_give(slot);
}

void light_hub::push(fiber& f) {
  ready_.push(&f);
  ++ready_count_;
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
  fiber* to = next();
  if (to == &self)
    begin_turn(*to);
  else
    switch_to(light(self), *to, nullptr);
  if (&self == &main_flow_ && alone()) own_flow_is_alone();
}

[[gnu::flatten]] void light_hub::yield(fiber& self) {
  auto requeue = [](void* f) { static_cast<fiber*>(f)->hub->push(*static_cast<fiber*>(f)); };
  leave(self, requeue, &self);
}

void light_hub::yield_to_all(fiber& self) {
  do {
    if (poller_.is_open()) look(at_once);
    ++idlers_;
    yield(self);
    --idlers_;
  } while ((ready_count_ > idlers_ || inbox_filled_.load(std::memory_order_relaxed) != 0) &&
           !scope::due());
}

void light_hub::switch_to(light_fiber& from, fiber& to, commit_function commit) {
  kept_state kept;
  keep(kept);
  begin_turn(to);
  left_ = &from;
  void* fake_stack = sanitizer::leaving(from.tools, light(to).tools, commit == recycle);
  context_switch(from.flow, to.flow, commit, &from);
  arrived(fake_stack);
  restore(kept);
}

fiber* light_hub::next() {
  for (;;) {
    if (round_left_ == 0) begin_round();
    if (fiber* f = ready_.pop()) {
      --ready_count_;
      --round_left_;
      return f;
    }
    idle();
  }
}

// Who becomes runnable during a round runs in the next one: a fiber that only yields delays a due
// timer by one turn of each of the others, not for ever.
[[gnu::noinline]] void light_hub::begin_round() {
  if (watching_ != 0 && poller_.is_open() && turns_unwatched_ >= most_turns_unwatched)
    look(at_once);
  if (inbox_filled_.load(std::memory_order_relaxed) != 0) take_inbox();
  if (!timers_.empty()) fire_timers();
  if (host_ != nullptr && ready_count_ != 0 && ++busy_rounds_ % rounds_per_host_turn == 0) {
    watched_.pause();
    self_state.current = host_;
    scheduler::yield();
    watched_.resume();
  }
  round_left_ = ready_count_;
  if (round_left_ != 0) later_looks_.reset();
  turns_unwatched_ += round_left_;
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
  // Told: a flow is runnable.
  auto nothing_came = [this] { return inbox_filled_.load(std::memory_order_acquire) == 0; };
  if (until == never && flows.all_wait()) {
    if (flows.tell(nothing_came)) return;
    until = later_looks_.next();
  }
  watched_.pause();
  if (host_ == nullptr)
    sleep_os_thread(until);
  else
    park_host(until);
  watched_.resume();
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
