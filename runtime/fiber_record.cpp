#include "runtime/fiber_record.h"

#include <new>
#include <string.h>
#include <sys/mman.h>

#include "runtime/light_hub.h"
#include "runtime/lock.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet::record {
namespace {

constexpr size_t chunk_bytes = 64 * 1024;
constexpr uint64_t numbers_at_once = 64;

lock pool_lock;  // guards what follows
vervet_fiber* free_records;
uint64_t numbers_given;
cache* caches;

// Of the fibers of no hub; and those that never began.
std::atomic<uint64_t> made{0};
std::atomic<uint64_t> over{0};

bool grow_pool() {
  void* chunk = sys::map(nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (chunk == nullptr) return false;
  auto* records = static_cast<vervet_fiber*>(chunk);
  for (size_t i = chunk_bytes / sizeof(vervet_fiber); i-- > 0;) {
    new (&records[i]) vervet_fiber;
    records[i].next_free = free_records;
    free_records = &records[i];
  }
  return true;
}

vervet_fiber* take(cache* own) {
  if (own != nullptr)
    if (vervet_fiber* record = own->take()) return record;
  lock_guard guard(pool_lock);
  if (free_records == nullptr && !grow_pool()) return nullptr;
  vervet_fiber* record = free_records;
  free_records = record->next_free;
  return record;
}

uint64_t next_number() {
  made.fetch_add(1, std::memory_order_relaxed);
  lock_guard guard(pool_lock);
  return ++numbers_given;
}

}  // namespace

uint32_t process_generation;

vervet_fiber* make(const char* name, uint32_t references) {
  cache* own = self_state.hub != nullptr ? &self_state.hub->records : nullptr;
  vervet_fiber* record = take(own);
  if (record == nullptr) return nullptr;
  // The marks may be read still, by the end of whom they were before: not made anew.
  record->marks.store(0, std::memory_order_relaxed);
  record->block.store(nullptr, std::memory_order_relaxed);
  record->result = nullptr;
  record->joiners = nullptr;
  memset(record->name, 0, sizeof record->name);
  record->word.store(references * vervet_fiber::reference, std::memory_order_relaxed);
  record->number = own != nullptr ? own->next_number() : next_number();
  record->process = process_generation;
  if (name != nullptr) strncpy(record->name, name, sizeof record->name - 1);
  return record;
}

void retain(vervet_fiber& target) {
  target.word.fetch_add(vervet_fiber::reference, std::memory_order_relaxed);
}

void release(vervet_fiber& target) {
  // The last reference is nobody else's to drop.
  if (target.word.load(std::memory_order_acquire) / vervet_fiber::reference != 1 &&
      target.word.fetch_sub(vervet_fiber::reference, std::memory_order_acq_rel) /
              vervet_fiber::reference !=
          1)
    return;
  // It could not be started.
  if (!target.has_ended()) over.fetch_add(1, std::memory_order_relaxed);
  give(target);
}

bool end(vervet_fiber& target, handle_state state) {
  if (light_hub* hub = self_state.hub)
    cache::add(hub->records.over, 1);
  else
    over.fetch_add(1, std::memory_order_relaxed);
  // Joiners and killers show up, then look at it; who ends changes it, then looks for them.
  uint64_t before = target.word.fetch_add(static_cast<uint64_t>(state) - vervet_fiber::reference,
                                          std::memory_order_seq_cst);
  return before / vervet_fiber::reference == 1;
}

void give(vervet_fiber& target) {
  if (self_state.hub != nullptr && self_state.hub->records.give(target)) return;
  lock_guard guard(pool_lock);
  target.next_free = free_records;
  free_records = &target;
}

void cache::empty() {
  lock_guard guard(pool_lock);
  while (vervet_fiber* record = take()) {
    record->next_free = free_records;
    free_records = record;
  }
}

// A few at a time, so that the numbers of one hub alone are 1, 2, 3 ….
void cache::take_numbers() {
  lock_guard guard(pool_lock);
  if (!known_) {
    known_ = true;
    next_ = caches;
    caches = this;
  }
  next_number_ = numbers_given + 1;
  numbers_given += numbers_at_once;
  end_of_numbers_ = numbers_given + 1;
}

struct all_caches {
  static counts count() {
    counts sum{made.load(std::memory_order_relaxed), 0};
    uint64_t ended = over.load(std::memory_order_relaxed);
    for (cache* c = caches; c != nullptr; c = c->next_) {
      ended += c->over.load(std::memory_order_relaxed);
      sum.spawned += c->made.load(std::memory_order_relaxed);
    }
    sum.alive = sum.spawned > ended ? sum.spawned - ended : 0;
    return sum;
  }
};

counts count() {
  lock_guard guard(pool_lock);
  return all_caches::count();
}

void acquire_all() { pool_lock.acquire(); }

void release_all() { pool_lock.release(); }

void forget_all() {
  pool_lock.reset();
  ++process_generation;
  over.fetch_add(all_caches::count().alive, std::memory_order_relaxed);
}

}  // namespace vervet::record
