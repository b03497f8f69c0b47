#include "runtime/fiber_record.h"

#include <new>
#include <sys/mman.h>

#include "runtime/lock.h"
#include "runtime/sys.h"

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

}  // namespace

uint32_t process_generation;

vervet_fiber* take_shared() {
  lock_guard guard(pool_lock);
  if (free_records == nullptr && !grow_pool()) return nullptr;
  vervet_fiber* record = free_records;
  free_records = record->next_free;
  return record;
}

void give_shared(vervet_fiber& target) {
  lock_guard guard(pool_lock);
  target.next_free = free_records;
  free_records = &target;
}

uint64_t shared_number() {
  made.fetch_add(1, std::memory_order_relaxed);
  lock_guard guard(pool_lock);
  return ++numbers_given;
}

void note_over_elsewhere() { over.fetch_add(1, std::memory_order_relaxed); }

void cache::empty() {
  lock_guard guard(pool_lock);
  while (vervet_fiber* record = take()) {
    record->next_free = free_records;
    free_records = record;
  }
}

void cache::join_counts() {
  lock_guard guard(pool_lock);
  if (known_) return;
  known_ = true;
  next_ = caches;
  caches = this;
}

// A few at a time, so that the numbers of one hub alone are 1, 2, 3 ….
void cache::take_numbers() {
  lock_guard guard(pool_lock);
  next_number_ = numbers_given + 1;
  numbers_given += numbers_at_once;
  end_of_numbers_ = numbers_given + 1;
}

struct all_caches {
  static counts count() {
    counts sum{made.load(std::memory_order_relaxed), 0};
    uint64_t ended = over.load(std::memory_order_relaxed);
    for (cache* c = caches; c != nullptr; c = c->next_) {
      ended += c->over_.load(std::memory_order_relaxed);
      sum.spawned += c->made_.load(std::memory_order_relaxed);
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
