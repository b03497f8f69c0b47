#include "runtime/coroutine.h"

#include <errno.h>
#include <new>
#include <string.h>

#include "runtime/scope.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

constexpr size_t default_stack_size = light_hub::default_stack_size;
constexpr unsigned most_kept = 32;

// Stacks of the default size that stay warm for the next coroutines. No lock: fork needs no care.
std::atomic<char*> kept_stacks[most_kept];

stack_slot take_stack(size_t slot_size) {
  if (slot_size == default_stack_size)
    for (auto& kept : kept_stacks) {
      if (kept.load(std::memory_order_relaxed) == nullptr) continue;
      if (char* base = kept.exchange(nullptr, std::memory_order_acquire)) return {base, slot_size};
    }
  return stack_take(slot_size);
}

void give_stack(stack_slot slot, char* low_water) {
  if (slot.size == default_stack_size)
    for (auto& kept : kept_stacks) {
      char* none = nullptr;
      if (kept.compare_exchange_strong(none, slot.base, std::memory_order_release)) return;
    }
  stack_trim(slot, low_water);
  stack_give(slot);
}

// The last word of a slot is the stack allocator's.
vervet_coroutine* block_in(stack_slot slot) {
  auto top = reinterpret_cast<uintptr_t>(slot.top() - 16 - sizeof(vervet_coroutine));
  return reinterpret_cast<vervet_coroutine*>(top & ~uintptr_t{63});
}

char* stack_low(const vervet_coroutine& c) { return c.stack.base + stack_guard_size; }

size_t stack_bytes(vervet_coroutine& c) { return reinterpret_cast<char*>(&c) - stack_low(c); }

// A coroutine that one thread leaves another may enter. So nothing on either side of a switch may
// share the address of a thread's variable: what touches one is not inlined, nor looked into.
#define OUT_OF_LINE [[gnu::noinline]]
void hide() { __asm__ volatile("" ::: "memory"); }

OUT_OF_LINE void enter_runtime() {
  runtime_scope::enter();
  hide();
}
OUT_OF_LINE void leave_runtime() {
  runtime_scope::leave();
  hide();
}

OUT_OF_LINE void exchange_exceptions(exception_states& keep, const exception_states& load) {
  unsigned known = 0;
  for (; known < most_cxx_runtimes; ++known) {
    void* here = exception_state_here(known);
    if (here == nullptr) break;
    memcpy(keep.bytes[known], here, exception_state_size);
    if (known < load.known)
      memcpy(here, load.bytes[known], exception_state_size);
    else
      memset(here, 0, exception_state_size);
  }
  keep.known = known;
  hide();
}

OUT_OF_LINE void join_scopes(vervet_coroutine& c) {
  c.joint.outer = scope::innermost();
  scope::set_innermost(c.scopes);
  hide();
}

OUT_OF_LINE void part_scopes(vervet_coroutine& c) {
  c.scopes = scope::innermost();
  scope::set_innermost(c.joint.outer);
  c.joint.outer = nullptr;
  hide();
}

OUT_OF_LINE bool runs_here(const vervet_coroutine& c) {
  hide();
  for (vervet_scope* s = scope::innermost(); s != nullptr; s = s->outer)
    if (s == &c.joint) return true;
  return false;
}

void leave_stack(vervet_coroutine& c, bool for_ever) {
  part_scopes(c);
  exchange_exceptions(c.exceptions_inside, c.exceptions_outside);
  void* fake_stack = sanitizer::leaving(c.tools_inside, c.tools_outside, for_ever);
  context_switch(c.inside, c.outside, nullptr, nullptr);
  sanitizer::arrived(fake_stack, c.tools_outside);
}

void enter(void* argument) {
  auto& c = *static_cast<vervet_coroutine*>(argument);
  sanitizer::arrived(nullptr, c.tools_outside);
  leave_runtime();
  c.body(c.argument);
  enter_runtime();
  c.body = nullptr;
  leave_stack(c, true);
}

}  // namespace
}  // namespace vervet

using namespace vervet;

int vervet_coroutine_make(vervet_coroutine** made, size_t stack_size, void (*body)(void*),
                          void* argument) {
  if (stack_size == 0) stack_size = default_stack_size;
  if (stack_size < light_hub::least_stack_size) return EINVAL;
  size_t slot_size = stack_class(stack_size - stack_guard_size);
  if (slot_size == 0) return EINVAL;
  runtime_scope scope;
  stack_slot slot = take_stack(slot_size);
  if (!slot) return EAGAIN;
  auto* c = new (block_in(slot)) vervet_coroutine;
  c->stack = slot;
  c->body = body;
  c->argument = argument;
  sanitizer::stack_made(c->tools_inside, stack_low(*c), stack_bytes(*c));
  context_make(c->inside, stack_low(*c), stack_bytes(*c), enter, c);
  *made = c;
  return 0;
}

int vervet_coroutine_resume(vervet_coroutine* coroutine) {
  vervet_coroutine& c = *coroutine;
  auto expected = coroutine_state::suspended;
  if (!c.state.compare_exchange_strong(expected, coroutine_state::running,
                                       std::memory_order_acquire))
    return expected == coroutine_state::running ? EBUSY : ESRCH;
  enter_runtime();
  join_scopes(c);
  exchange_exceptions(c.exceptions_outside, c.exceptions_inside);
  void* fake_stack = sanitizer::leaving(c.tools_outside, c.tools_inside, false);
  context_switch(c.outside, c.inside, nullptr, nullptr);
  sanitizer::arrived(fake_stack, c.tools_inside);
  // Only now is its context saved, and another thread may go on with it.
  c.state.store(c.body == nullptr ? coroutine_state::ended : coroutine_state::suspended,
                std::memory_order_release);
  leave_runtime();
  return 0;
}

int vervet_coroutine_suspend(vervet_coroutine* coroutine) {
  vervet_coroutine& c = *coroutine;
  if (!runs_here(c)) return EPERM;
  enter_runtime();
  leave_stack(c, false);
  leave_runtime();
  return 0;
}

int vervet_coroutine_has_ended(const vervet_coroutine* coroutine) {
  return coroutine->state.load(std::memory_order_acquire) == coroutine_state::ended;
}

int vervet_coroutine_free(vervet_coroutine* coroutine) {
  if (coroutine == nullptr) return 0;
  vervet_coroutine& c = *coroutine;
  if (c.state.load(std::memory_order_acquire) == coroutine_state::running) return EBUSY;
  runtime_scope scope;
  sanitizer::stack_gone(c.tools_inside);
  stack_slot slot = c.stack;
  give_stack(slot, reinterpret_cast<char*>(coroutine));
  return 0;
}
