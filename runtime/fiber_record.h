// What the API's handles refer to: one record per spawned fiber, light or full.
//
// A record outlives its fiber's stack: it is counted, once for the fiber until that has ended and
// once for every handle. Records come from mapped memory that is recycled as records and never
// unmapped.
#pragma once

#include <atomic>
#include <stdint.h>

#include "vervet/abi.h"

namespace vervet {

struct fiber;
struct local_joiner;

enum class handle_state : uint32_t {
  running,    // not ended yet
  ended,      // its entry returned; the result can be collected
  abandoned,  // its host ended before it: it never runs again
};

}  // namespace vervet

// One cache line: as small as it can be, since each parked fiber has one beside its stack.
struct vervet_fiber {
  // The state, and above it how many references there are: the end of a fiber changes both at once.
  // Also the address that joiners of other hubs sleep on.
  std::atomic<uint64_t> word{0};
  std::atomic<uint32_t> marks{0};  // how many calls of vervet_kill() are under way, and bits
  uint32_t process = 0;            // which fork generation it runs in
  // Its control block as long as it runs; null before a full fiber starts.
  std::atomic<vervet::fiber*> block{nullptr};
  void* result = nullptr;
  uint64_t number = 0;  // the n-th spawned fiber of this process
  union {
    vervet::local_joiner* joiners = nullptr;  // of its own hub, in a ring: the first one
    vervet_fiber* next_free;
  };
  char name[16] = {};

  static constexpr uint64_t reference = uint64_t{1} << 32;
  static constexpr uint32_t is_main = 1u << 31;       // run()'s function
  static constexpr uint32_t killed_early = 1u << 30;  // before it had a block
  static constexpr uint32_t kill_calls = killed_early - 1;

  vervet::handle_state state() const {
    return static_cast<vervet::handle_state>(static_cast<uint32_t>(word.load()));
  }
  bool has_ended() const { return state() != vervet::handle_state::running; }
};
static_assert(sizeof(vervet_fiber) == 64);

namespace vervet::record {

// A record with `references` references; null if memory is short. `name` may be null.
vervet_fiber* make(const char* name, uint32_t references);
void retain(vervet_fiber& target);
void release(vervet_fiber& target);
// The fiber ends: `state` and the fiber's own reference. Returns whether that was the last one; then
// give() must follow.
bool end(vervet_fiber& target, handle_state state);
void give(vervet_fiber& target);
// A fiber that was killed before it had a block is killed once: by whom this tells so.
inline bool take_early_kill(vervet_fiber& target) {
  return (target.marks.fetch_and(~target.killed_early, std::memory_order_seq_cst) &
          target.killed_early) != 0;
}
// True if it is one of this process, not of the one it was forked from.
extern uint32_t process_generation;
inline bool is_of_this_process(const vervet_fiber& target) {
  return target.process == process_generation;
}

// What a hub keeps so that making and ending a fiber takes no lock and no locked instruction.
// Thread safety: the hub's host alone; counts are read by others.
class cache {
 public:
  vervet_fiber* take() {
    vervet_fiber* record = first_;
    if (record == nullptr) return nullptr;
    first_ = record->next_free;
    __builtin_prefetch(first_, 1);
    --size_;
    return record;
  }
  // False if it has enough.
  bool give(vervet_fiber& record) {
    if (size_ == most) return false;
    ++size_;
    record.next_free = first_;
    first_ = &record;
    return true;
  }
  uint64_t next_number() {
    if (next_number_ == end_of_numbers_) take_numbers();
    add(made, 1);
    return next_number_++;
  }
  // Gives all back, for other hubs.
  void empty();

  // A counter with one writer.
  static void add(std::atomic<uint64_t>& count, uint64_t change) {
    count.store(count.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  std::atomic<uint64_t> made{0};
  std::atomic<uint64_t> over{0};  // of this hub's: ended or abandoned

 private:
  friend struct all_caches;
  void take_numbers();

  static constexpr uint32_t most = 128 * 1024;
  vervet_fiber* first_ = nullptr;
  uint32_t size_ = 0;
  uint64_t next_number_ = 0;
  uint64_t end_of_numbers_ = 0;
  cache* next_ = nullptr;  // of all there are
  bool known_ = false;
};

struct counts {
  uint64_t spawned;  // records made, in this process and those it was forked from
  uint64_t alive;    // of those, not finished
};
counts count();

// fork, in plain library use: holds the lock of the records; the child's fibers are forgotten.
void acquire_all();
void release_all();
void forget_all();

}  // namespace vervet::record
