// A countdown that flows wait for: latch.
#pragma once

#include <atomic>
#include <cstddef>
#include <limits>
#include <mutex>
#include <stdexcept>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A latch counts down from a number; wait() waits until it is at zero, where it stays. Names as
// std::latch; waits have deadlines.
//
// Thread safety: every call from any fiber or thread.
// Ordering: what was done before each count_down() happens before the return of wait().
// Lifetime: when wait() or try_wait() has returned true, the latch may be destroyed, even if a
// count_down() has not returned. Neither copyable nor movable.
class latch {
 public:
  // Throws std::invalid_argument if `expected` is negative.
  explicit constexpr latch(std::ptrdiff_t expected) : left_(expected) {
    if (expected < 0) throw std::invalid_argument("vervet: latch: a negative count");
  }
  latch(const latch&) = delete;
  latch& operator=(const latch&) = delete;

  // The most that it can count down from.
  static constexpr std::ptrdiff_t max() noexcept {
    return std::numeric_limits<std::ptrdiff_t>::max();
  }

  // count_down() takes `n` off the count; at zero all who wait are woken, in the order they came.
  // Never blocks. Throws std::logic_error if `n` is negative or more than what is left.
  void count_down(std::ptrdiff_t n = 1) {
    if (n < 0) throw std::logic_error("vervet: latch: counted down by a negative number");
    std::ptrdiff_t left = left_.load(std::memory_order_relaxed);
    while (left > n)
      if (left_.compare_exchange_weak(left, left - n, std::memory_order_release,
                                      std::memory_order_relaxed))
        return;
    finish(n);
  }

  // True at zero. Never blocks.
  bool try_wait() const noexcept {
    if (left_.load(std::memory_order_acquire) != 0) return false;
    // Whoever counted it down to zero may still hold the lock.
    std::lock_guard guard(lock_);
    return true;
  }

  // wait() waits until the count is zero. Returns false if `until` passes first.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber; not at all at zero.
  // Throws cut_short, would_block_forever.
  bool wait(deadline until = {}) const {
    std::unique_lock guard(lock_);
    if (left_.load(std::memory_order_acquire) == 0) return true;
    return queue_.wait(guard, until.monotonic());
  }

  // count_down(n), then wait(until): a wait that is cut or timed out has counted all the same.
  bool arrive_and_wait(std::ptrdiff_t n = 1, deadline until = {}) {
    count_down(n);
    return wait(until);
  }

  // For wait() and iwait() of wait.hpp. observe() has `w` finished at zero; false, and nothing is
  // linked, if it is there. unobserve() takes `w` back; no effect if it is not linked.
  bool observe(detail::waiter& w) const noexcept {
    std::lock_guard guard(lock_);
    if (left_.load(std::memory_order_acquire) == 0) return false;
    queue_.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) const noexcept {
    std::lock_guard guard(lock_);
    queue_.remove(w);
  }

 private:
  void finish(std::ptrdiff_t n) {
    detail::wakes woken;
    std::lock_guard guard(lock_);
    std::ptrdiff_t left = left_.load(std::memory_order_relaxed);
    do {
      if (n > left) throw std::logic_error("vervet: latch: counted down below zero");
    } while (!left_.compare_exchange_weak(left, left - n, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    if (left == n) woken.add_all(queue_);
  }

  mutable detail::guard_lock lock_;
  mutable detail::wait_queue queue_;
  std::atomic<std::ptrdiff_t> left_;  // to zero under the lock only
};

}  // namespace vervet
