// What mutex and recursive_mutex are made of: a lock that knows its owner. Not for direct use.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>

namespace vervet::detail {

[[noreturn]] inline void throw_relock(const char* what) {
  throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur), what);
}
[[noreturn]] inline void throw_not_owner(const char* what) {
  throw std::system_error(std::make_error_code(std::errc::operation_not_permitted), what);
}

// Invariant: `waited` is set under guard_ only, and cleared there, when queue_ becomes empty. Who
// waits takes guard_ before it gives up; so an unlock that found `waited` may use the lock to its
// end, although another flow may own, release and destroy it meanwhile.
class owner_lock {
 public:
  constexpr owner_lock() noexcept = default;
  owner_lock(const owner_lock&) = delete;
  owner_lock& operator=(const owner_lock&) = delete;

  bool try_acquire(std::uint64_t self) noexcept {
    std::uint64_t expected = 0;
    return word_.compare_exchange_strong(expected, self, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  // False on timeout.
  bool acquire(std::uint64_t self, std::int64_t until) {
    if (try_acquire(self)) [[likely]]
      return true;
    return acquire_slow(self, until);
  }

  void release(std::uint64_t self) {
    std::uint64_t expected = self;
    if (word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                      std::memory_order_relaxed)) [[likely]]
      return;
    release_slow(self);
  }

  bool is_owned_by(std::uint64_t self) const noexcept {
    return (word_.load(std::memory_order_relaxed) & ~waited) == self;
  }

 private:
  // Above every vervet_self(): an address or a count.
  static constexpr std::uint64_t waited = std::uint64_t{1} << 63;

  [[gnu::noinline]] bool acquire_slow(std::uint64_t self, std::int64_t until) {
    if (is_owned_by(self)) throw_relock("vervet: mutex: locked again by its owner");
    std::unique_lock guard(guard_);
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if (word == 0) {
        if (word_.compare_exchange_weak(word, self, std::memory_order_acquire,
                                        std::memory_order_relaxed))
          return true;
      } else if (word_.compare_exchange_weak(word, word | waited, std::memory_order_relaxed)) {
        break;
      }
    }
    int error = queue_.try_wait(guard, until, &self);
    if (error == 0) return true;
    guard.lock();
    if (queue_.empty()) word_.fetch_and(~waited, std::memory_order_relaxed);
    guard.unlock();
    if (error != ETIMEDOUT) throw_wait_error(error, "vervet: mutex");
    return false;
  }

  [[gnu::noinline]] void release_slow(std::uint64_t self) {
    for (;;) {
      std::uint64_t word = self;
      if (word_.compare_exchange_strong(word, 0, std::memory_order_release,
                                        std::memory_order_relaxed))
        return;
      if ((word & ~waited) != self) throw_not_owner("vervet: mutex: unlocked by another flow");
      wakes woken;
      std::lock_guard guard(guard_);
      // The last waiter may have given up meanwhile; then nothing holds off a destroyer but the
      // word.
      if ((word_.load(std::memory_order_relaxed) & waited) == 0) continue;
      std::uint64_t next = 0;
      if (waiter* w = queue_.claim_first()) {
        next = *static_cast<std::uint64_t*>(w->slot) | (queue_.empty() ? 0 : waited);
        woken.add(*w);
      }
      word_.store(next, std::memory_order_release);
      return;
    }
  }

  std::atomic<std::uint64_t> word_{0};  // the owner's vervet_self(); `waited`
  guard_lock guard_;
  wait_queue queue_;
};

}  // namespace vervet::detail
