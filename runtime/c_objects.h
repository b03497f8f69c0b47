// What the C interface's mutex, condition and queue are made of: flows that wait in line, and are
// given what they wait for by whoever has it.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/thread_state.h"
#include "vervet/abi.h"

namespace vervet::c_objects {

// One wait; on the sleeper's stack.
struct waiter : list_hook {
  uint64_t flow = 0;     // vervet_self()
  void* item = nullptr;  // a queue's: to put, or got
  int result = 0;        // what the call returns; written before `served`
  std::atomic<uint32_t> served{0};
};

// Guards an object. A holder is inside the runtime: neither preempted nor interrupted by handlers.
class guard {
 public:
  explicit guard(lock& l) : lock_(l) {
    runtime_scope::enter();
    lock_.acquire();
  }
  ~guard() { release(); }
  guard(const guard&) = delete;
  guard& operator=(const guard&) = delete;
  void release() {
    if (!held_) return;
    held_ = false;
    lock_.release();
    runtime_scope::leave();
  }

 private:
  lock& lock_;
  bool held_ = true;
};

// Those who wait, in the order they came. The object's lock guards it.
class line {
 public:
  bool empty() { return waiters_.empty(); }

  // Takes the first one out; null if there is none. The caller gives it what it waits for, then
  // serves it.
  waiter* first() { return waiters_.pop_front(); }

  // Afterwards the waiter may be gone. The object, too, may be: wake() needs the address alone.
  static const void* serve(waiter& w, int result) {
    w.result = result;
    const void* address = &w.served;
    w.served.store(1, std::memory_order_seq_cst);
    return address;
  }
  static void wake(const void* address) { vervet_unpark(address, 1); }

  // Waits at the end of the line: `held` is released meanwhile, and not held on return. Returns
  // what it was served, or ETIMEDOUT, ECANCELED, EDEADLK. Who is cut after it was served is served.
  // `flags` as vervet_park()'s.
  int wait(guard& held, lock& object, waiter& w, deadline until, unsigned flags = 0);

 private:
  list<waiter> waiters_;
};

}  // namespace vervet::c_objects
