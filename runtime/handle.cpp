#include "runtime/handle.h"

#include <errno.h>
#include <new>
#include <string.h>
#include <sys/mman.h>

#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/scope.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {

namespace handle {
namespace {

constexpr size_t chunk_bytes = 64 * 1024;

lock pool_lock;
vervet_fiber* free_records;
uint64_t made;
std::atomic<uint64_t> over{0};  // of those: ended, abandoned, never begun, or left behind by a fork
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
  flow_set* set = nullptr;  // null: a flow of no set
  bool is_main = false;
};

caller who_calls() {
  fiber* current = self_state.current;
  if (current == nullptr) return {};
  vervet_fiber* own = current->handle;
  if (own != nullptr) return {own->set, own->is_main};
  if (current->kind == fiber_kind::light) return {&current->hub->flows, true};
  return {};
}

int result_of(const vervet_fiber& target) {
  return target.state.load(std::memory_order_acquire) == handle_state::ended ? 0 : EOWNERDEAD;
}

// False if the fiber was killed before its start.
bool wait_for_start(vervet_fiber& own) {
  runtime_scope inside;
  while (own.start > now() && !scope::due()) {
    parker& self = self_parker();
    self.arm(wait_class::api);
    if (park(self, wait_for::sleep, own.start) == wake_reason::interrupted)
      handle_interruption(false);
  }
  if (!scope::due()) return true;
  vervet_check_killed();
  return false;
}

}  // namespace

vervet_fiber* make(flow_set& set, void* (*entry)(void*), void* argument, const char* name,
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
  record->set = &set;
  record->process = process;
  record->entry = entry;
  record->argument = argument;
  record->number = number;
  if (name != nullptr) strncpy(record->name, name, sizeof record->name - 1);
  return record;
}

void release(vervet_fiber& target) {
  if (target.references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  // It could not be started.
  if (!has_ended(target)) over.fetch_add(1, std::memory_order_relaxed);
  lock_guard guard(pool_lock);
  target.next_free = free_records;
  free_records = &target;
}

void finish(vervet_fiber& target, handle_state state) {
  flow_set& set = *target.set;
  over.fetch_add(1, std::memory_order_relaxed);
  // Joiners show up, then look at it; who unparks changes it, then looks for joiners.
  target.state.store(state, std::memory_order_seq_cst);
  // Who is about to kill it may have found its wait, and looks at its memory once more.
  while (target.killers.load(std::memory_order_seq_cst) != 0) sys::call(SYS_sched_yield);
  if (target.is_main) set.main_ends();
  lot::unpark(&target.state, ~0u);
  // Not before: the joiners would count as waiting, and nobody to wake them.
  set.remove_flow();
  release(target);
}

lot::outcome park_api(lot::request request, const flow_set* ended_by) {
  caller me = who_calls();
  closed_wait closed;
  closed.who = &self_parker();
  closed.is_main = me.is_main;
  closed.inside = ended_by != nullptr && ended_by == me.set;
  bool counted = me.set != nullptr && request.until == never && !scope::bounded();
  auto count = [&] {
    closed.epoch = parker::epoch_of(closed.who->word.load(std::memory_order_relaxed));
    me.set->begin(closed);
    return true;
  };
  request.interruptible = wait_class::api;
  if (counted) request.before_sleep = count;
  lot::outcome outcome = lot::park(request);
  if (counted) me.set->end(closed);
  if (outcome == lot::outcome::interrupted) handle_interruption(false);
  // One meant for an earlier wait of ours.
  if (outcome == lot::outcome::cut && !scope::due()) return lot::outcome::unparked;
  return outcome;
}

void run(vervet_fiber& own) {
  self_state.scopes = &own.root;
  if (wait_for_start(own))
    own.result = own.entry(own.argument);
  else if (own.discard != nullptr)
    own.discard(own.argument);
  self_state.scopes = nullptr;
}

int join(vervet_fiber& target, deadline until) {
  if (has_ended(target)) return result_of(target);
  if (target.process != process_generation) return EOWNERDEAD;
  fiber* current = self_state.current;
  if (current != nullptr && current->handle == &target) return EDEADLK;
  auto not_over = [&] { return !has_ended(target); };
  for (;;) {
    lot::outcome outcome = park_api(
        {.address = &target.state, .what = wait_for::join, .until = until, .validate = not_over},
        target.set);
    if (has_ended(target)) return result_of(target);
    if (outcome == lot::outcome::timed_out) return ETIMEDOUT;
    if (outcome == lot::outcome::cut) return ECANCELED;
    if (outcome == lot::outcome::deadlock) return EDEADLK;
  }
}

counts count() {
  runtime_scope inside;
  uint64_t finished = over.load(std::memory_order_relaxed);
  lock_guard guard(pool_lock);
  return {made, made > finished ? made - finished : 0};
}

void acquire_all() { pool_lock.acquire(); }

void release_all() { pool_lock.release(); }

void forget_all() {
  pool_lock.reset();
  ++process_generation;
  over.store(made, std::memory_order_relaxed);
}

}  // namespace handle
}  // namespace vervet
