// Mutual exclusion: mutex, timed_mutex, recursive_mutex.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include <vervet/detail/owner_lock.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A mutex is owned by one flow at a time: a fiber, or an OS thread. Names as std::timed_mutex; use
// it with std::lock_guard, std::unique_lock, std::scoped_lock, std::lock. It may be held over
// waits. First come, first served: unlock() hands it over to the longest waiter.
//
// Thread safety: every call from any fiber or thread; light fibers that share a thread exclude each
// other, too.
// Ordering: what was done before unlock() happens before the return of the next lock().
// Cuts: a lock() that is cut throws, and then the mutex is not held. A fiber that is killed while
// it holds the mutex keeps it until its stack is unwound: hold it by a guard object (a killed
// greenlet leaves its plain lock locked in gevent). Lifetime: who has locked it last may destroy it
// once it is unlocked, even if an earlier unlock() of another flow has not returned. Neither
// copyable nor movable.
class mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  // lock() waits until no other flow owns it, and owns it.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber.
  // Throws cut_short, would_block_forever; std::system_error (resource_deadlock_would_occur) if the
  // caller owns it.
  void lock() { lock_.acquire(vervet_self(), VERVET_NEVER); }

  // False if another flow owns it, or the caller itself. Never blocks.
  bool try_lock() noexcept { return lock_.try_acquire(vervet_self()); }

  // As lock(); false, and not held, if `until` passes first: a duration or a point in time.
  bool try_lock_until(deadline until) { return lock_.acquire(vervet_self(), until.monotonic()); }
  template <typename Rep, typename Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return try_lock_until(span);
  }

  // Never blocks. Throws std::system_error (operation_not_permitted) if the caller does not own it.
  void unlock() { lock_.release(vervet_self()); }

 private:
  detail::owner_lock lock_;
};

// Every mutex takes deadlines.
using timed_mutex = mutex;

// A recursive_mutex can be locked again by the flow that owns it, and is free when that has
// unlocked it as often. For the rest it is as mutex.
class recursive_mutex {
 public:
  constexpr recursive_mutex() noexcept = default;
  recursive_mutex(const recursive_mutex&) = delete;
  recursive_mutex& operator=(const recursive_mutex&) = delete;

  // As mutex::lock(), which see; does not block an owner.
  void lock() { static_cast<void>(try_lock_until(deadline::never())); }

  // False if another flow owns it. Never blocks.
  bool try_lock() noexcept {
    std::uint64_t self = vervet_self();
    if (lock_.is_owned_by(self)) return ++again_, true;
    return lock_.try_acquire(self);
  }

  // As lock(); false, and not held once more, if `until` passes first. Throws as mutex::lock().
  bool try_lock_until(deadline until) {
    std::uint64_t self = vervet_self();
    if (lock_.is_owned_by(self)) return ++again_, true;
    return lock_.acquire(self, until.monotonic());
  }
  template <typename Rep, typename Period>
  bool try_lock_for(std::chrono::duration<Rep, Period> span) {
    return try_lock_until(span);
  }

  // Never blocks. Throws std::system_error (operation_not_permitted) if the caller does not own it.
  void unlock() {
    std::uint64_t self = vervet_self();
    if (!lock_.is_owned_by(self))
      detail::throw_not_owner("vervet: recursive_mutex: unlocked by another flow");
    if (again_ != 0)
      --again_;
    else
      lock_.release(self);
  }

 private:
  detail::owner_lock lock_;
  std::size_t again_ = 0;  // the owner's: locked so often beyond the first time
};

// The same holds here.
using recursive_timed_mutex = recursive_mutex;

}  // namespace vervet
