// The lives of light fibers: where their stacks come from and go, how they begin and end.
#include "runtime/light_hub.h"

#include <errno.h>
#include <new>
#include <stdlib.h>

#include "runtime/exception_state.h"
#include "runtime/handle.h"
#include "runtime/light_join.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace {

// Fibers that a hub keeps with a warm stack for its next ones; those beyond go back, their pages returned.
constexpr uint32_t most_free_fibers = 128 * 1024;
// So many it keeps for ever. Of the others, those that it has not needed for a while go back when it sleeps.
constexpr uint32_t always_kept_fibers = 1024;
constexpr int64_t time_between_trims = 1'000'000'000;

// The control block lies on top of the slot; the last word is the stack allocator's. Not at the same
// distance in all slots, or all blocks would share a few lines of the processor's caches.
light_fiber* block_in(stack_slot slot) {
  constexpr uintptr_t line = 64, colours = 8;
  uintptr_t colour = reinterpret_cast<uintptr_t>(slot.base) / slot.size % colours * line;
  auto top = reinterpret_cast<uintptr_t>(slot.top() - 16 - sizeof(light_fiber)) - colour;
  return reinterpret_cast<light_fiber*>(top & ~(line - 1));
}

char* stack_low(const light_fiber& f) { return f.stack.base + stack_guard_size; }

size_t stack_bytes(light_fiber& f) { return reinterpret_cast<char*>(&f) - stack_low(f); }

}  // namespace

// While the host has no light fibers, nobody waits for it: it is not watched, and its flow is the
// identity's own.
void light_hub::own_flow_is_one_of_many() {
  if (!own_flow_alone_) return;
  own_flow_alone_ = false;
  main_flow_.own = own_state();
  main_flow_.set_flags(main_flow_.own.scopes != nullptr ? scope_has_inner : 0);
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

[[gnu::noinline]] light_fiber* light_hub::make_fiber(size_t stack_size, int& error) {
  if (stack_size == 0) stack_size = default_stack_size;
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

// One that has ended and has such a stack; null if there is none.
inline light_fiber* light_hub::take_fiber(size_t stack_size) {
  if (stack_size == 0) stack_size = default_stack_size;
  light_fiber* last = corpse_;
  if (last != nullptr && last->stack.size == stack_size) {
    corpse_ = nullptr;
    sanitizer::stack_gone(last->tools);
    return last;
  }
  bury();
  if (free_fibers_ == nullptr || stack_size != default_stack_size) return nullptr;
  light_fiber& f = take_free();
  if (free_count_ < least_free_) least_free_ = free_count_;
  return &f;
}

inline void light_hub::prepare(light_fiber& f, vervet_fiber& record, const spawn_call& call) {
  f.forget_flow();
  f.hub = this;
  f.handle = &record;
  // Not as a whole: a wide load of what was just stored in parts waits until that is in the cache.
  f.call.entry = call.entry;
  f.call.argument = call.argument;
  f.call.start = call.start;
  f.call.discard = call.discard;
  // Epochs only grow, whatever this memory was before: a fiber's number is new, and leaves it 2^24.
  f.word.store(parker::pack(record.number << 24, wake_reason::none, park_state::awake),
               std::memory_order_relaxed);
  sanitizer::stack_made(f.tools, stack_low(f), stack_bytes(f));
  context_begin(f.flow, stack_low(f), stack_bytes(f), enter);
  record.block.store(&f, std::memory_order_release);
}

int light_hub::spawn(vervet_fiber& record, const spawn_call& call, size_t stack_size) {
  int error = 0;
  light_fiber* f = take_fiber(stack_size);
  if (f == nullptr) [[unlikely]] {
    f = make_fiber(stack_size, error);
    if (f == nullptr) return error;
  }
  prepare(*f, record, call);
  adopt(*f);
  push(*f);
  return 0;
}

[[gnu::flatten]] int light_hub::spawn(vervet_fiber** handle, void* (*entry)(void*), void* argument) {
  runtime_scope scope;
  vervet_fiber* made = record::make(&records, nullptr, handle != nullptr ? 2 : 1);
  if (made == nullptr) return EAGAIN;
  return record::settle(*made, handle, spawn(*made, {entry, argument, 0, nullptr}, 0));
}

int light_hub::spawn_from_outside(vervet_fiber& record, const spawn_call& call,
                                  size_t stack_size) {
  int error;
  light_fiber* f = make_fiber(stack_size, error);
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
  flows.add_flow_here();
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
  if (self_state.hub != this) [[unlikely]] {
    runtime_scope::leave();
    exit(0);
  }
  self.life.store(fiber_life::finished, std::memory_order_relaxed);
  list<fiber_alive>::remove(&self);
  --alive_;
  if (alone()) own_flow_left_alone();
  wake_joiners(*self.handle);
  handle::finish(*self.handle, handle_state::ended, flows, &records);
  fiber* to = next();
  bury();
  corpse_ = &self;
  jump(self, *to, true);
  __builtin_unreachable();
}

[[gnu::flatten]] void light_hub::enter(arrival from) {
  context_is_outermost();
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

namespace {

// The stack, and the block with it, goes to whoever wants one, its pages to the kernel.
[[gnu::noinline]] void give_stack(light_fiber& f) {
  stack_slot slot = f.stack;
  stack_trim(slot, reinterpret_cast<char*>(&f));
  stack_give(slot);
}

}  // namespace

// REQUIRES: the fiber that has ended last was left: not between its end and the jump.
inline void light_hub::bury() {
  light_fiber* f = corpse_;
  if (f == nullptr) return;
  corpse_ = nullptr;
  sanitizer::stack_gone(f->tools);
  uint32_t most = f->from_outside ? always_kept_fibers : most_free_fibers;
  if (f->stack.size != default_stack_size || free_count_ >= most) return give_stack(*f);
  f->next_queued = free_fibers_;
  free_fibers_ = f;
  ++free_count_;
}

inline light_fiber& light_hub::take_free() {
  fiber* f = free_fibers_;
  free_fibers_ = f->next_queued;
  --free_count_;
  return light(*f);
}

// Called before the hub sleeps. Returns when it should be called again, though nothing has happened.
deadline light_hub::trim() {
  if (free_count_ <= always_kept_fibers) return never;
  deadline time = now();
  if (time < trim_at_) return trim_at_;
  // Half, so that what comes in bursts finds some of it again.
  for (uint32_t unused = least_free_ / 2; unused != 0 && free_count_ > always_kept_fibers; --unused)
    give_stack(take_free());
  least_free_ = free_count_;
  trim_at_ = time + time_between_trims;
  return free_count_ > always_kept_fibers ? trim_at_ : never;
}

// What it has kept for the next fibers.
void light_hub::give_back() {
  bury();
  records.empty();
  while (free_fibers_ != nullptr) give_stack(take_free());
}

}  // namespace vervet
