// Waiting for a change of what a lock guards: condition_variable, condition_variable_any.
#pragma once

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>
#include <type_traits>
#include <utility>

#include <vervet/detail/owner_lock.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/mutex.hpp>
#include <vervet/time.hpp>

namespace vervet {

using std::cv_status;

namespace detail {

template <typename Lock, typename Only>
concept waits_with = (std::is_void_v<Only> &&
                      requires(Lock & l) {
                        l.lock();
                        l.unlock();
                      }) ||
                     std::is_same_v<Lock, Only>;

// A condition variable for locks of type Only, or any if that is void.
template <typename Only>
class condition {
 public:
  constexpr condition() noexcept = default;
  condition(const condition&) = delete;
  condition& operator=(const condition&) = delete;

  // Wakes who has waited longest, or all in the order they came. Never blocks; the lock may be held
  // or not.
  void notify_one() noexcept {
    wakes woken;
    std::lock_guard guard(guard_);
    if (waiter* w = queue_.claim_first()) woken.add(*w);
  }
  void notify_all() noexcept {
    wakes woken;
    std::lock_guard guard(guard_);
    woken.add_all(queue_);
  }

  // wait() unlocks, waits until it is notified, and locks again, also if it throws. Whoever
  // notifies while it holds the lock cannot be missed. There are no spurious ends, but another flow
  // may have taken the lock first: give a predicate.
  // Throws cut_short, would_block_forever; what lock.unlock() and lock.lock() throw.
  template <waits_with<Only> Lock>
  void wait(Lock& lock) {
    sleep(lock, VERVET_NEVER, nullptr);
  }
  template <waits_with<Only> Lock, typename Predicate>
  void wait(Lock& lock, Predicate ready) {
    while (!ready()) wait(lock);
  }

  // The same until `until`, a duration or a point in time. The deadline cuts the wait, not the
  // locking after it.
  template <waits_with<Only> Lock>
  cv_status wait_until(Lock& lock, deadline until) {
    return sleep(lock, until.monotonic(), nullptr) ? cv_status::no_timeout : cv_status::timeout;
  }
  // Returns what the predicate says at last.
  template <waits_with<Only> Lock, typename Predicate>
  bool wait_until(Lock& lock, deadline until, Predicate ready) {
    while (!ready())
      if (wait_until(lock, until) == cv_status::timeout) return ready();
    return true;
  }
  template <waits_with<Only> Lock, typename Rep, typename Period>
  cv_status wait_for(Lock& lock, std::chrono::duration<Rep, Period> span) {
    return wait_until(lock, span);
  }
  template <waits_with<Only> Lock, typename Rep, typename Period, typename Predicate>
  bool wait_for(Lock& lock, std::chrono::duration<Rep, Period> span, Predicate ready) {
    return wait_until(lock, deadline(span), std::move(ready));
  }

  // The same until a stop is requested, too; returns what the predicate says at last.
  template <waits_with<Only> Lock, typename Predicate>
  bool wait(Lock& lock, std::stop_token stop, Predicate ready) {
    return wait_until(lock, std::move(stop), deadline::never(), std::move(ready));
  }
  template <waits_with<Only> Lock, typename Predicate>
  bool wait_until(Lock& lock, std::stop_token stop, deadline until, Predicate ready) {
    while (!ready()) {
      if (stop.stop_requested()) return false;
      if (!sleep(lock, until.monotonic(), &stop)) return ready();
    }
    return true;
  }
  template <waits_with<Only> Lock, typename Rep, typename Period, typename Predicate>
  bool wait_for(Lock& lock, std::stop_token stop, std::chrono::duration<Rep, Period> span,
                Predicate ready) {
    return wait_until(lock, std::move(stop), deadline(span), std::move(ready));
  }

 private:
  static constexpr std::uint32_t notified = 0;
  static constexpr std::uint32_t stopped = 1;

  struct stopper {
    selection& of;
    void operator()() const noexcept {
      if (of.claim()) of.finish(stopped);
    }
  };

  // False on timeout. A notification that has claimed the waiter counts, whatever else comes
  // meanwhile: so none is lost to a flow that is about to be cut.
  template <waits_with<Only> Lock>
  bool sleep(Lock& lock, std::int64_t until, const std::stop_token* stop) {
    selection own;
    waiter w{&own, notified};
    enqueue(w);
    try {
      lock.unlock();
    } catch (...) {
      // Looks, as if it had waited: a notification in between goes to the next.
      if (own.sleep(0, VERVET_PARK_UNCUT) == 0) notify_one();
      dequeue(w);
      throw;
    }
    int error = 0;
    if (stop == nullptr) {
      error = own.sleep(until);
    } else {
      std::stop_callback<stopper> cut(*stop, stopper{own});
      error = own.sleep(until);
    }
    // Who was notified does not touch this any more: it may have been destroyed.
    if (error != 0 || own.index() == stopped) dequeue(w);
    {
      uncut relock;
      lock.lock();
    }
    if (error != 0 && error != ETIMEDOUT) throw_wait_error(error, "vervet: condition_variable");
    return error == 0;
  }

  void enqueue(waiter& w) noexcept {
    std::lock_guard guard(guard_);
    queue_.push(w);
  }
  void dequeue(waiter& w) noexcept {
    std::lock_guard guard(guard_);
    queue_.remove(w);
  }

  guard_lock guard_;
  wait_queue queue_;
};

}  // namespace detail

// A condition_variable lets flows that hold a mutex wait until another has changed what it guards.
// Names as std::condition_variable, and std::condition_variable_any for stop tokens.
//
// Thread safety: every call from any fiber or thread.
// Blocks the calling fiber, or the OS thread if it hosts no living fiber: every wait.
// Cuts: a wait that is cut throws when it holds the mutex again; that locking is not cut. Should it
// be certain never to end, would_block_forever comes out and the mutex is not held.
// Lifetime: it may be destroyed once all who wait have been notified.
// Neither copyable nor movable.
//
// A wait whose lock is not held throws std::system_error (operation_not_permitted).
class condition_variable : public detail::condition<std::unique_lock<mutex>> {};

// The same with any lock that has lock() and unlock().
class condition_variable_any : public detail::condition<void> {};

}  // namespace vervet
