// A flag that flows wait for: event.
#pragma once

#include <atomic>
#include <mutex>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace vervet {

// An event is set or clear; wait() waits until it is set, and set() lets everyone who waits go on.
//
//     event ready;
//     spawn([&] { load(); ready.set(); });
//     ready.wait();
//
// Thread safety: every call from any fiber or thread (gevent's works on one hub only).
// Ordering: what was done before set() happens before the return of a wait() that it ends.
// Lifetime: when wait() has returned true, the event may be destroyed, even if set() of another
// flow has not returned. Neither copyable nor movable.
class event {
 public:
  constexpr event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  // set() sets it and wakes all who wait, in the order they came. They go on even if the event is
  // cleared before they run; who comes later finds the flag as it is then. Never blocks.
  void set() noexcept {
    detail::wakes woken;
    std::lock_guard guard(lock_);
    set_.store(true, std::memory_order_release);
    woken.add_all(queue_);
  }

  // clear() makes later calls of wait() wait again. Never blocks.
  void clear() noexcept {
    std::lock_guard guard(lock_);
    set_.store(false, std::memory_order_relaxed);
  }

  // Never blocks.
  bool is_set() const noexcept { return set_.load(std::memory_order_acquire); }

  // wait() waits until the event is set. Returns false if `until` passes first.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber; not at all if it is
  // set. Throws cut_short, would_block_forever.
  bool wait(deadline until = {}) {
    std::unique_lock guard(lock_);
    if (is_set()) return true;
    return queue_.wait(guard, until.monotonic());
  }

  // For wait() and iwait() of wait.hpp. observe() has `w` finished when the event is set; false,
  // and nothing is linked, if it is. unobserve() takes `w` back; no effect if it is not linked.
  bool observe(detail::waiter& w) noexcept {
    std::lock_guard guard(lock_);
    if (is_set()) return false;
    queue_.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) noexcept {
    std::lock_guard guard(lock_);
    queue_.remove(w);
  }

 private:
  detail::guard_lock lock_;
  detail::wait_queue queue_;
  std::atomic<bool> set_{false};  // written under the lock
};

}  // namespace vervet
