// The runtime's own lock: a futex word, for short critical sections only.
//
// Thread safety: lock() and unlock() from any kernel thread, whatever its thread pointer.
// It touches no TLS, allocates nothing and works in zero-filled memory. A holder never parks,
// and never runs the program's code: signal handlers are deferred while in_runtime is set.
#pragma once

#include <atomic>

#include "runtime/sys.h"

namespace vervet {

class lock {
 public:
  void acquire() {
    uint32_t free = 0;
    if (word_.compare_exchange_strong(free, held, std::memory_order_acquire)) [[likely]]
      return;
    acquire_slow();
  }
  bool try_acquire() {
    uint32_t free = 0;
    return word_.compare_exchange_strong(free, held, std::memory_order_acquire);
  }
  void release() {
    if (word_.exchange(0, std::memory_order_release) == contended) [[unlikely]]
      sys::futex_wake(&word_, 1);
  }
  // In a forked child the holder does not exist any more.
  void reset() { word_.store(0, std::memory_order_relaxed); }

 private:
  static constexpr uint32_t held = 1;
  static constexpr uint32_t contended = 2;
  static constexpr int spins = 64;

  [[gnu::noinline]] void acquire_slow() {
    for (int i = 0; i < spins; ++i) {
      if (word_.load(std::memory_order_relaxed) == 0 && try_acquire()) return;
      __builtin_ia32_pause();
    }
    while (word_.exchange(contended, std::memory_order_acquire) != 0)
      sys::futex_wait(&word_, contended);
  }

  std::atomic<uint32_t> word_{0};
};

class lock_guard {
 public:
  explicit lock_guard(lock& l) : lock_(l) { lock_.acquire(); }
  ~lock_guard() { lock_.release(); }
  lock_guard(const lock_guard&) = delete;
  lock_guard& operator=(const lock_guard&) = delete;

 private:
  lock& lock_;
};

}  // namespace vervet
