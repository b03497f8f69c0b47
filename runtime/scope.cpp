#include "runtime/scope.h"

#include "runtime/exception_state.h"
#include "runtime/fiber.h"
#include "runtime/handle.h"
#include "runtime/thread_state.h"

namespace vervet::scope {
namespace {

bool cancelled(const vervet_scope& s) {
  return __atomic_load_n(&s.cancelled, __ATOMIC_SEQ_CST) != 0;
}

bool is_due(const vervet_scope& s) {
  return cancelled(s) || (s.deadline != never && s.deadline <= now());
}

// The scope outside of `s` that holds, if any.
vervet_scope* beyond(const vervet_scope& s) {
  return (s.flags & VERVET_SCOPE_SHIELD) != 0 ? nullptr : s.outer;
}

// None while an exception is in flight: a destructor that waits is let.
vervet_scope* first_due() {
  for (vervet_scope* s = innermost(); s != nullptr; s = beyond(*s))
    if (is_due(*s)) return unwinding() ? nullptr : s;
  return nullptr;
}

vervet_scope* root() {
  fiber* current = self_state.current;
  return current != nullptr && current->handle != nullptr ? &current->root : nullptr;
}

}  // namespace

void set_innermost(vervet_scope* s) {
  fiber* current = self_state.current;
  if (current == nullptr) {
    self_state.own.scopes = s;
    return;
  }
  current->own.scopes = s;
  vervet_scope& root = current->root;
  root.flags = s == &root || s == nullptr ? root.flags & ~scope_has_inner : root.flags | scope_has_inner;
}

bool begin_wait(parker& self, deadline& until) {
  deadline own = until;
  bool none_due = true;
  for (vervet_scope* s = innermost(); s != nullptr; s = beyond(*s)) {
    __atomic_store_n(&s->sleeper, static_cast<void*>(&self), __ATOMIC_SEQ_CST);
    if (is_due(*s)) none_due = false;
    if (s->deadline < until) until = s->deadline;
  }
  if ((none_due && until == own) || !unwinding()) return none_due;
  until = own;
  return true;
}

void end_wait() {
  for (vervet_scope* s = innermost(); s != nullptr; s = beyond(*s))
    __atomic_store_n(&s->sleeper, static_cast<void*>(nullptr), __ATOMIC_RELAXED);
}

bool due() { return first_due() != nullptr; }

bool bounded() {
  for (vervet_scope* s = innermost(); s != nullptr; s = beyond(*s))
    if (s->deadline != never) return true;
  return false;
}

// The sleeper may have gone on meanwhile, and what follows meets another wait of that parker: which
// then ends for nothing, and is begun again. A parker's memory is never anything else.
void cancel(vervet_scope& s) {
  __atomic_store_n(&s.cancelled, 1u, __ATOMIC_SEQ_CST);
  void* sleeper = __atomic_load_n(&s.sleeper, __ATOMIC_SEQ_CST);
  if (sleeper != nullptr)
    interrupt(*static_cast<parker*>(sleeper), static_cast<uint32_t>(wait_class::scopes),
              wake_reason::cut);
}

// Its own waits show no sleeper while this is their only scope; those of a flow that stands for it do.
void kill(fiber& f) {
  cancel(f.root);
  interrupt(f, static_cast<uint32_t>(wait_class::scopes), wake_reason::cut);
}

}  // namespace vervet::scope

using namespace vervet;

void vervet_scope_enter(vervet_scope* scope) {
  scope->cancelled = 0;
  scope->fired = 0;
  scope->sleeper = nullptr;
  scope->outer = scope::innermost();
  scope::set_innermost(scope);
}

void vervet_scope_leave(vervet_scope* scope) { scope::set_innermost(scope->outer); }

void vervet_scope_cancel(vervet_scope* scope) {
  runtime_scope inside;
  scope::cancel(*scope);
}

vervet_scope* vervet_take_cut(int* due) {
  vervet_scope* s = scope::first_due();
  if (due != nullptr) *due = s != nullptr;
  if (s == nullptr) return nullptr;
  s->deadline = never;
  __atomic_store_n(&s->cancelled, 0u, __ATOMIC_SEQ_CST);
  s->fired = 1;
  return s == scope::root() ? nullptr : s;
}

int vervet_check_killed() {
  vervet_scope* root = scope::root();
  return root != nullptr && __atomic_exchange_n(&root->cancelled, 0u, __ATOMIC_SEQ_CST) != 0;
}
