// One writer or many readers: shared_mutex.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <mutex>

#include <vervet/detail/owner_lock.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A shared_mutex is owned by one flow alone, or shared by any number. Names as
// std::shared_timed_mutex; use it with std::unique_lock, std::shared_lock and the other guards.
// First come, first served: a reader that comes after a waiting writer waits behind it, and
// neighbouring readers go on together, so neither kind starves. Hence a reader must not share it
// again while it does: with a writer in between that never ends.
//
// Thread safety, ordering, cuts, lifetime: as mutex. What readers did before unlock_shared()
// happens before the return of the next lock(). Neither copyable nor movable.
class shared_mutex {
 public:
  constexpr shared_mutex() noexcept = default;
  shared_mutex(const shared_mutex&) = delete;
  shared_mutex& operator=(const shared_mutex&) = delete;

  // lock() waits until it is free, and owns it alone.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber.
  // Throws cut_short, would_block_forever; std::system_error (resource_deadlock_would_occur) if the
  // caller owns it alone.
  void lock() { static_cast<void>(try_lock_until(deadline::never())); }
  // Never blocks.
  bool try_lock() noexcept { return try_acquire(alone_by(vervet_self())); }
  // As lock(); false, and not held, if `until` passes first: a duration or a point in time.
  bool try_lock_until(deadline until) {
    std::uint64_t mine = alone_by(vervet_self());
    if (try_acquire(mine)) [[likely]]
      return true;
    return acquire_slow(mine, until.monotonic());
  }
  template <typename Rep, typename Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return try_lock_until(span);
  }
  // Never blocks. Throws std::system_error (operation_not_permitted) if the caller does not own it
  // alone.
  void unlock() {
    std::uint64_t mine = alone_by(vervet_self());
    do {
      std::uint64_t expected = mine;
      if (word_.compare_exchange_strong(expected, 0, std::memory_order_release,
                                        std::memory_order_relaxed)) [[likely]]
        return;
      if ((expected & ~waited) != mine)
        detail::throw_not_owner("vervet: shared_mutex: unlocked by another flow");
    } while (!release_slow(mine));
  }

  // lock_shared() waits until nobody owns it alone, or has waited longer, and shares it.
  // Blocks and throws as lock().
  void lock_shared() { static_cast<void>(try_lock_shared_until(deadline::never())); }
  // False also if somebody waits for it. Never blocks.
  bool try_lock_shared() noexcept {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    while ((word & (alone | waited)) == 0)
      if (word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                      std::memory_order_relaxed))
        return true;
    return false;
  }
  bool try_lock_shared_until(deadline until) {
    if (try_lock_shared()) [[likely]]
      return true;
    return acquire_slow(0, until.monotonic());
  }
  template <typename Rep, typename Period>
  bool try_lock_shared_for(std::chrono::duration<Rep, Period> span) {
    return try_lock_shared_until(span);
  }
  // Never blocks. Throws std::system_error (operation_not_permitted) if nobody shares it.
  void unlock_shared() {
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    for (;;) {
      if ((word & alone) != 0 || (word & ~waited) == 0)
        detail::throw_not_owner("vervet: shared_mutex: unlock_shared() without lock_shared()");
      if (word == (1 | waited)) {
        if (release_slow(1)) return;
        word = word_.load(std::memory_order_relaxed);
      } else if (word_.compare_exchange_weak(word, word - 1, std::memory_order_release,
                                             std::memory_order_relaxed)) {
        return;
      }
    }
  }

 private:
  // Above every vervet_self(): an address or a count.
  static constexpr std::uint64_t waited = std::uint64_t{1} << 63;  // queue_ is not empty
  static constexpr std::uint64_t alone = std::uint64_t{1} << 62;

  static std::uint64_t alone_by(std::uint64_t self) noexcept { return self | alone; }

  bool try_acquire(std::uint64_t mine) noexcept {
    std::uint64_t expected = 0;
    return word_.compare_exchange_strong(expected, mine, std::memory_order_acquire,
                                         std::memory_order_relaxed);
  }

  // `mine`: the word to be, to own it alone; 0 to share it.
  [[gnu::noinline]] bool acquire_slow(std::uint64_t mine, std::int64_t until) {
    if ((word_.load(std::memory_order_relaxed) & ~waited) == alone_by(vervet_self()))
      detail::throw_relock("vervet: shared_mutex: locked again by its owner");
    std::unique_lock guard(guard_);
    for (;;) {
      if (mine == 0 ? try_lock_shared() : try_acquire(mine)) return true;
      std::uint64_t word = word_.load(std::memory_order_relaxed);
      bool may_enter = mine == 0 ? (word & (alone | waited)) == 0 : word == 0;
      if (!may_enter && word_.compare_exchange_strong(word, word | waited)) break;
    }
    int error = queue_.try_wait(guard, until, &mine);
    if (error == 0) return true;
    give_up();
    if (error != ETIMEDOUT) detail::throw_wait_error(error, "vervet: shared_mutex");
    return false;
  }

  // A writer that waited first and gives up no longer holds off the readers behind it.
  void give_up() noexcept {
    detail::wakes woken;
    std::lock_guard guard(guard_);
    std::uint64_t word = word_.load(std::memory_order_relaxed);
    if ((word & waited) != 0 && (word & alone) == 0) admit_readers(woken);
    if (queue_.empty()) word_.fetch_and(~waited, std::memory_order_relaxed);
  }

  // By the only owner (`mine`: as the word has it): hands it over to a writer, or to all readers
  // before the next writer. False, and nothing is done, if nobody waits or other readers have come.
  [[gnu::noinline]] bool release_slow(std::uint64_t mine) {
    detail::wakes woken;
    std::lock_guard guard(guard_);
    // Acquire: for what the readers did that have left before.
    if (word_.load(std::memory_order_acquire) != (mine | waited)) return false;
    while (detail::waiter* first = queue_.front()) {
      std::uint64_t wanted = *static_cast<std::uint64_t*>(first->slot);
      if (!queue_.claim(*first)) continue;
      woken.add(*first);
      if (wanted != 0) {
        word_.store(wanted | (queue_.empty() ? 0 : waited), std::memory_order_release);
        return true;
      }
      word_.store(1 | waited, std::memory_order_release);
      admit_readers(woken);
      if (queue_.empty()) word_.fetch_and(~waited, std::memory_order_relaxed);
      return true;
    }
    word_.store(0, std::memory_order_release);
    return true;
  }

  // REQUIRES: the guard, and that it is shared, with `waited`: then no last reader can go.
  void admit_readers(detail::wakes& woken) noexcept {
    while (detail::waiter* first = queue_.front()) {
      if (*static_cast<std::uint64_t*>(first->slot) != 0) return;
      if (!queue_.claim(*first)) continue;
      word_.fetch_add(1, std::memory_order_acq_rel);
      woken.add(*first);
    }
  }

  // How many share it, or `alone` and who; `waited`, which is set and cleared under guard_ only.
  std::atomic<std::uint64_t> word_{0};
  detail::guard_lock guard_;
  detail::wait_queue queue_;
};

// Every shared_mutex takes deadlines.
using shared_timed_mutex = shared_mutex;

}  // namespace vervet
