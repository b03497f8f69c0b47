// What the API's handles refer to: one record per spawned fiber, light or full.
//
// A record outlives its fiber's stack: it is counted, once for the fiber until that has ended and
// once for every handle. Records come from mapped memory that is recycled as records and never
// unmapped.
#pragma once

#include <atomic>
#include <stdint.h>
#include <string.h>

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
  static constexpr uint32_t joined_from_elsewhere = 1u << 29;  // somebody sleeps on `word`, or has
  static constexpr uint32_t kill_calls = joined_from_elsewhere - 1;

  vervet::handle_state state() const {
    return static_cast<vervet::handle_state>(static_cast<uint32_t>(word.load()));
  }
  bool has_ended() const { return state() != vervet::handle_state::running; }
};
static_assert(sizeof(vervet_fiber) == 64);

namespace vervet::record {

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
    add(made_, 1);
    return next_number_++;
  }
  void note_over() { add(over_, 1); }
  // What it notes counts from now on. Before all else.
  void join_counts();
  // Gives all back, for other hubs.
  void empty();

 private:
  friend struct all_caches;
  // A counter with one writer.
  static void add(std::atomic<uint64_t>& count, uint64_t change) {
    count.store(count.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  void take_numbers();

  static constexpr uint32_t most = 128 * 1024;
  std::atomic<uint64_t> made_{0};
  std::atomic<uint64_t> over_{0};  // of this hub's: ended or abandoned
  vervet_fiber* first_ = nullptr;
  uint32_t size_ = 0;
  uint64_t next_number_ = 0;
  uint64_t end_of_numbers_ = 0;
  cache* next_ = nullptr;  // of all there are
  bool known_ = false;
};

// What they all share. take_shared(): null if memory is short.
vervet_fiber* take_shared();
void give_shared(vervet_fiber& target);
uint64_t shared_number();
void note_over_elsewhere();

// A record with `references` references; null if memory is short. `own`: of the caller's hub, if it has
// one. `name` may be null.
inline vervet_fiber* make(cache* own, const char* name, uint32_t references) {
  vervet_fiber* record = own != nullptr ? own->take() : nullptr;
  if (record == nullptr) [[unlikely]] {
    record = take_shared();
    if (record == nullptr) return nullptr;
  }
  // The marks may be read still, by the end of whom they were before: not made anew.
  record->marks.store(0, std::memory_order_relaxed);
  record->block.store(nullptr, std::memory_order_relaxed);
  record->result = nullptr;
  record->joiners = nullptr;
  memset(record->name, 0, sizeof record->name);
  record->word.store(references * vervet_fiber::reference, std::memory_order_relaxed);
  record->number = own != nullptr ? own->next_number() : shared_number();
  record->process = process_generation;
  if (name != nullptr) strncpy(record->name, name, sizeof record->name - 1);
  return record;
}

// Nobody refers to it any more.
inline void give(cache* own, vervet_fiber& target) {
  if (own == nullptr || !own->give(target)) [[unlikely]]
    give_shared(target);
}

inline void retain(vervet_fiber& target) {
  target.word.fetch_add(vervet_fiber::reference, std::memory_order_relaxed);
}

inline void release(cache* own, vervet_fiber& target) {
  // The last reference is nobody else's to drop.
  if (target.word.load(std::memory_order_acquire) / vervet_fiber::reference != 1 &&
      target.word.fetch_sub(vervet_fiber::reference, std::memory_order_acq_rel) /
              vervet_fiber::reference !=
          1)
    return;
  // It could not be started.
  if (!target.has_ended()) note_over_elsewhere();
  give(own, target);
}

// The caller gets the handle, if he wants one; or, if the fiber could not be started, nobody does.
inline int settle(vervet_fiber& made, vervet_fiber** handle, int error) {
  if (error == 0) [[likely]] {
    if (handle != nullptr) *handle = &made;
    return 0;
  }
  if (handle != nullptr) release(nullptr, made);
  release(nullptr, made);
  return error;
}

// The fiber ends: `state` and the fiber's own reference. `own`: of the hub that it ran on, if it did on
// one. Returns whether that was the last reference; then give() must follow.
inline bool end(cache* own, vervet_fiber& target, handle_state state) {
  if (own != nullptr)
    own->note_over();
  else
    note_over_elsewhere();
  // Joiners and killers show up, then look at it; who ends changes it, then looks for them.
  uint64_t before = target.word.fetch_add(static_cast<uint64_t>(state) - vervet_fiber::reference,
                                          std::memory_order_seq_cst);
  return before / vervet_fiber::reference == 1;
}

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
