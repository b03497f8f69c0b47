// Counting permits: semaphore, bounded_semaphore.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <mutex>
#include <stdexcept>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A semaphore holds a number of permits: acquire() takes one and waits while there is none,
// release() gives some back. First come, first served: a permit goes to the longest waiter, and
// nobody who comes later takes it away.
//
//     semaphore connections(10);
//     { std::lock_guard one(connections); … }   // lock() and unlock() are acquire and release
//
// Thread safety: every call from any fiber or thread; who releases need not have acquired.
// Ordering: what was done before release() happens before the return of an acquire() that takes
// what it released.
// Lifetime: whom acquire() has given the last permit may destroy it, even if that release() has not
// returned. Neither copyable nor movable.
class semaphore {
 public:
  // Throws std::invalid_argument if `value` is negative.
  explicit constexpr semaphore(std::ptrdiff_t value = 1) : semaphore(value, most) {}
  semaphore(const semaphore&) = delete;
  semaphore& operator=(const semaphore&) = delete;

  // acquire() takes a permit. Returns false, and takes none, if `until` passes first.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber, while there is none.
  // Throws cut_short, would_block_forever; then no permit is taken.
  bool acquire(deadline until = {}) {
    if (try_acquire()) [[likely]]
      return true;
    return acquire_slow(until.monotonic());
  }

  // Takes a permit if there is one. Never blocks.
  bool try_acquire() noexcept {
    std::int64_t value = word_.load(std::memory_order_relaxed);
    while (value > 0)
      if (word_.compare_exchange_weak(value, value - 1, std::memory_order_acquire,
                                      std::memory_order_relaxed))
        return true;
    return false;
  }

  // release() gives `count` permits: to those who wait, in the order they came. Never blocks.
  // Throws std::logic_error if there would be too many, std::invalid_argument if `count` is
  // negative; then it gives none.
  void release(std::ptrdiff_t count = 1) {
    if (count < 0) throw std::invalid_argument("vervet: semaphore: released a negative number");
    do {
      std::int64_t value = word_.load(std::memory_order_relaxed);
      while (value != waited) {
        check(value, count);
        if (word_.compare_exchange_weak(value, value + count, std::memory_order_release,
                                        std::memory_order_relaxed)) [[likely]]
          return;
      }
    } while (!release_slow(count));
  }

  // How many permits there are; old news when it returns. Never blocks.
  std::ptrdiff_t value() const noexcept {
    std::int64_t value = word_.load(std::memory_order_relaxed);
    return value == waited ? 0 : value;
  }

  // For std::lock_guard, std::unique_lock, std::scoped_lock: one permit.
  void lock() { acquire(); }
  bool try_lock() noexcept { return try_acquire(); }
  void unlock() { release(); }

  // For wait() and iwait() of wait.hpp. observe() has `w` finished when a permit is left over by
  // those who acquire; it takes none, and the permit may be gone when the observer runs. False, and
  // nothing is linked, if there is one. unobserve() takes `w` back; no effect if it is not linked.
  bool observe(detail::waiter& w) noexcept {
    std::lock_guard guard(lock_);
    if (!announce()) return false;
    observers_.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) noexcept {
    std::lock_guard guard(lock_);
    observers_.remove(w);
    settle();
  }

 protected:
  constexpr semaphore(std::ptrdiff_t value, std::ptrdiff_t limit) : word_(value), limit_(limit) {
    if (value < 0) throw std::invalid_argument("vervet: semaphore: a negative value");
  }

 private:
  static constexpr std::ptrdiff_t most = std::numeric_limits<std::ptrdiff_t>::max();
  static constexpr std::int64_t waited = -1;

  void check(std::int64_t value, std::ptrdiff_t count) const {
    if (count > limit_ - value) throw std::logic_error("vervet: semaphore: released too often");
  }

  // Sets `waited`; false if there is a permit. REQUIRES: the lock.
  bool announce() noexcept {
    std::int64_t value = word_.load(std::memory_order_relaxed);
    do {
      if (value > 0) return false;
    } while (value == 0 && !word_.compare_exchange_weak(value, waited, std::memory_order_relaxed));
    return true;
  }

  // After a waiter has given up. REQUIRES: the lock.
  void settle() noexcept {
    if (!queue_.empty() || !observers_.empty()) return;
    std::int64_t expected = waited;
    word_.compare_exchange_strong(expected, 0, std::memory_order_relaxed);
  }

  [[gnu::noinline]] bool acquire_slow(std::int64_t until) {
    std::unique_lock guard(lock_);
    while (!announce())
      if (try_acquire()) return true;
    int error = queue_.try_wait(guard, until);
    if (error == 0) return true;
    guard.lock();
    settle();
    guard.unlock();
    if (error != ETIMEDOUT) detail::throw_wait_error(error, "vervet: semaphore");
    return false;
  }

  // False if nobody waits any more.
  [[gnu::noinline]] bool release_slow(std::ptrdiff_t count) {
    detail::wakes woken;
    std::lock_guard guard(lock_);
    if (word_.load(std::memory_order_relaxed) != waited) return false;
    check(0, count);
    while (count > 0) {
      detail::waiter* w = queue_.claim_first();
      if (w == nullptr) break;
      woken.add(*w);
      --count;
    }
    if (count > 0) woken.add_all(observers_);
    bool more = !queue_.empty() || !observers_.empty();
    word_.store(more ? waited : count, std::memory_order_release);
    return true;
  }

  // The permits; `waited`: none, and somebody is in a queue. It leaves `waited` under the lock
  // only. Who gives up takes the lock before it returns, so nobody can destroy this under a
  // release_slow().
  std::atomic<std::int64_t> word_;
  std::ptrdiff_t limit_;
  detail::guard_lock lock_;
  detail::wait_queue queue_;
  detail::wait_queue observers_;
};

// A bounded_semaphore never has more permits than at the start: release() beyond that throws
// std::logic_error, for a permit has then been given back twice.
class bounded_semaphore : public semaphore {
 public:
  // Throws std::invalid_argument if `value` is negative.
  explicit constexpr bounded_semaphore(std::ptrdiff_t value = 1) : semaphore(value, value) {}
};

}  // namespace vervet
