// Deadlocks that can be told for certain: no flow of a set can run, and nothing from outside helps.
//
// A set is what a hub's light fibers and its host's own flow are, or all fibers of one run(). A wait
// of the API without a deadline is a *closed wait* while it lasts. Whoever finds that nothing of the
// set is runnable (the hub before it sleeps; the last carrier) asks tell(): if all flows are in closed
// waits, one of them is told.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/parker.h"
#include "runtime/parking_lot.h"

namespace vervet {

// One flow's closed wait; on its stack.
struct closed_wait : list_hook {
  parker* who = nullptr;
  uint64_t epoch = 0;
  bool is_main = false;  // the host's own flow, or run()'s function: told before all others
  bool inside = false;   // only a flow of the same set can end it (a join); else another thread might
};

// Thread safety: `shared`: every call from any thread. `of_one_host`: on the host's identity alone.
class flow_set {
 public:
  enum kind : bool { of_one_host, shared };
  explicit constexpr flow_set(kind k) : lock_(k == shared ? &mutex_ : nullptr) {}

  // A flow is about to begin here; or has ended, or did not begin after all.
  void add_flow() { change(flows_, 1); }
  void remove_flow() { change(flows_, -1u); }
  // The main flow is about to begin; or has ended: from now on any flow can be told.
  void main_begins() { main_ended_.store(false, std::memory_order_relaxed); }
  void main_ends() { main_ended_.store(true, std::memory_order_relaxed); }

  void begin(closed_wait& wait) {
    guard with(*this);
    begin_here(wait);
  }
  // No effect if it has not begun.
  void end(closed_wait& wait) {
    guard with(*this);
    if (wait.linked()) end_here(wait);
  }
  // The same for a set of one host.
  void begin_here(closed_wait& wait) {
    waits_.push_back(&wait);
    add(waiting_, 1);
    if (!wait.inside) ++endable_from_outside_;
  }
  void end_here(closed_wait& wait) {
    list<closed_wait>::remove(&wait);
    add(waiting_, -1u);
    if (!wait.inside) --endable_from_outside_;
  }
  void add_flow_here() { add(flows_, 1); }

  // One load; what tell() would find may be otherwise.
  bool all_wait() const {
    return waiting_.load(std::memory_order_relaxed) == flows_.load(std::memory_order_relaxed);
  }
  // Nothing of the set is runnable: tells a flow (wake_reason::deadlock) if it is certain that none
  // will be. Returns whether it did. `still_nothing` looks again: a thread that has made something
  // runnable and ended since is seen there, and no longer among the threads.
  bool tell(lot::call_ref still_nothing);

 private:
  class guard {
   public:
    explicit guard(flow_set& of) : lock_(of.lock_) {
      if (lock_ != nullptr) lock_->acquire();
    }
    ~guard() {
      if (lock_ != nullptr) lock_->release();
    }
    guard(const guard&) = delete;
    guard& operator=(const guard&) = delete;

   private:
    lock* lock_;
  };

  // The writer has the set to itself; readers look without.
  static void add(std::atomic<uint32_t>& count, uint32_t change) {
    count.store(count.load(std::memory_order_relaxed) + change, std::memory_order_relaxed);
  }
  void change(std::atomic<uint32_t>& count, uint32_t by) {
    guard with(*this);
    add(count, by);
  }
  bool others_may_help() const;

  lock mutex_;
  lock* const lock_;  // null: none is needed
  std::atomic<uint32_t> flows_{0};
  std::atomic<uint32_t> waiting_{0};
  uint32_t endable_from_outside_ = 0;
  list<closed_wait> waits_;
  std::atomic<bool> main_ended_{false};
};

// The set of the run() that is going on; null if there is none.
extern std::atomic<flow_set*> set_of_run;

// When to look again after a look has told nobody: a kernel thread that is about to be gone (a thread
// that was joined, a donor) counts for a moment still. A few times per idleness, then never.
class later_looks {
 public:
  void reset() { looks_ = 0; }
  deadline next() {
    if (looks_ == most) return never;
    int64_t pause = first_pause;
    for (unsigned i = 0; i < looks_; ++i) pause *= 10;
    ++looks_;
    return after(pause);
  }

 private:
  static constexpr unsigned most = 3;
  static constexpr int64_t first_pause = 10'000'000;
  unsigned looks_ = 0;
};

// True if the process certainly has no thread but the caller's and the runtime's: then nobody but
// fibers can unpark a fiber.
bool alone_in_process();

// A kernel thread of the runtime's own begins (+1) or ends (-1); it runs no code of the program but
// what the program waits for.
void note_runtime_thread(int change);

}  // namespace vervet
