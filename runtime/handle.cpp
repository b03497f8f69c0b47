#include "runtime/handle.h"

#include <errno.h>
#include <new>
#include <string.h>
#include <sys/mman.h>

#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {

void join_scope::add_flow() {
  lock_guard guard(mutex);
  ++flows;
}

void join_scope::remove_flow() {
  lock_guard guard(mutex);
  --flows;
}

namespace handle {
namespace {

constexpr size_t chunk_bytes = 64 * 1024;

lock pool_lock;
vervet_fiber* free_records;
uint64_t made;
uint32_t process_generation;

bool grow_pool() {
  void* chunk = sys::map(nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (chunk == nullptr) return false;
  auto* records = static_cast<vervet_fiber*>(chunk);
  for (size_t i = chunk_bytes / sizeof(vervet_fiber); i-- > 0;) {
    records[i].next_free = free_records;
    free_records = &records[i];
  }
  return true;
}

bool has_ended(const vervet_fiber& target) {
  return target.state.load(std::memory_order_acquire) != handle_state::running;
}

struct caller {
  join_scope* scope = nullptr;   // null: a flow that no scope knows
  vervet_fiber* self = nullptr;  // null: a host's own flow
  bool is_main = false;
};

caller who_calls() {
  fiber* current = self_state.current;
  if (current == nullptr) return {};
  vervet_fiber* own = current->handle;
  if (own != nullptr) return {own->scope, own, own->is_main};
  if (current->kind == fiber_kind::light) return {&current->hub->scope, nullptr, true};
  return {};
}

void wake_all(vervet_fiber& target) { lot::unpark(&target.state, ~0u); }

// Decides whom to tell if the scope is deadlocked. Returns the fiber whose joiners must be woken so
// that one of them learns of it, or null. REQUIRES: scope.mutex held.
vervet_fiber* note_deadlock(join_scope& scope) {
  if (scope.flows == 0 || scope.joining != scope.flows) return nullptr;
  vervet_fiber* target = scope.main_target;
  if (target == nullptr && scope.main_ended) target = scope.joined.front();
  scope.told = target;
  return target;
}

// Counts the caller among those who wait for `target`. Returns EDEADLK if that closes a circle
// and the caller is the one to be told. REQUIRES: scope.mutex held.
int begin_counted(join_scope& scope, vervet_fiber& target, bool is_main) {
  bool closes = scope.joining + 1 == scope.flows;
  if (closes && scope.main_target == nullptr) return EDEADLK;
  ++scope.joining;
  if (target.joiners++ == 0) scope.joined.push_back(&target);
  if (is_main) scope.main_target = &target;
  return 0;
}

// True if the caller, which waits for `target`, is told of a deadlock; it is counted no more.
bool take_deadlock(join_scope& scope, vervet_fiber& target, bool is_main) {
  lock_guard guard(scope.mutex);
  if (scope.told != &target) return false;
  scope.told = nullptr;
  if (is_main) scope.main_target = nullptr;
  --scope.joining;
  if (--target.joiners == 0) list<vervet_fiber>::remove(&target);
  return true;
}

int result_of(const vervet_fiber& target) {
  return target.state.load(std::memory_order_acquire) == handle_state::ended ? 0 : ECANCELED;
}

// Sleeps until the end of `target`, `until`, or a deadlock of `scope` that the caller is told of.
int sleep_until_ended(vervet_fiber& target, deadline until, join_scope* scope, bool is_main) {
  auto is_told = [&] {
    return scope != nullptr && scope->told == &target && (is_main || scope->main_ended);
  };
  auto not_over = [&] { return !has_ended(target) && !is_told(); };
  for (;;) {
    lot::outcome outcome = lot::park(
        {.address = &target.state, .what = wait_for::join, .until = until, .validate = not_over});
    if (has_ended(target)) return result_of(target);
    if (outcome == lot::outcome::timed_out) return ETIMEDOUT;
    if (is_told() && take_deadlock(*scope, target, is_main)) return EDEADLK;
    if (outcome == lot::outcome::interrupted) handle_interruption(false);
  }
}

}  // namespace

vervet_fiber* make(join_scope& scope, void* (*entry)(void*), void* argument, const char* name,
                   uint32_t references) {
  vervet_fiber* record;
  uint64_t number;
  uint32_t process;
  {
    lock_guard guard(pool_lock);
    if (free_records == nullptr && !grow_pool()) return nullptr;
    record = free_records;
    free_records = record->next_free;
    number = ++made;
    process = process_generation;
  }
  new (record) vervet_fiber;
  record->references.store(references, std::memory_order_relaxed);
  record->scope = &scope;
  record->process = process;
  record->entry = entry;
  record->argument = argument;
  record->number = number;
  if (name != nullptr) strncpy(record->name, name, sizeof record->name - 1);
  return record;
}

void release(vervet_fiber& target) {
  if (target.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  lock_guard guard(pool_lock);
  target.next_free = free_records;
  free_records = &target;
}

void finish(vervet_fiber& target, handle_state state) {
  join_scope& scope = *target.scope;
  vervet_fiber* to_tell = nullptr;
  {
    lock_guard guard(scope.mutex);
    target.state.store(state, std::memory_order_release);
    if (target.joiners != 0) list<vervet_fiber>::remove(&target);
    scope.joining -= target.joiners;
    target.joiners = 0;
    if (scope.main_target == &target) scope.main_target = nullptr;
    if (scope.told == &target) scope.told = nullptr;
    if (target.is_main) scope.main_ended = true;
    --scope.flows;
    to_tell = note_deadlock(scope);
  }
  wake_all(target);
  // Its joiners' handles keep it: they wait for it still.
  if (to_tell != nullptr) wake_all(*to_tell);
  release(target);
}

int join(vervet_fiber& target, deadline until) {
  if (has_ended(target)) return result_of(target);
  if (target.process != process_generation) return ECANCELED;
  caller me = who_calls();
  if (me.self == &target) return EDEADLK;
  if (me.scope == nullptr || me.scope != target.scope || until != never)
    return sleep_until_ended(target, until, nullptr, false);

  join_scope& scope = *me.scope;
  vervet_fiber* to_tell = nullptr;
  {
    lock_guard guard(scope.mutex);
    if (has_ended(target)) return result_of(target);
    int error = begin_counted(scope, target, me.is_main);
    if (error != 0) return error;
    to_tell = note_deadlock(scope);
  }
  if (to_tell != nullptr) wake_all(*to_tell);
  return sleep_until_ended(target, until, &scope, me.is_main);
}

void acquire_all() { pool_lock.acquire(); }

void release_all() { pool_lock.release(); }

void forget_all() {
  pool_lock.reset();
  ++process_generation;
}

}  // namespace handle
}  // namespace vervet
