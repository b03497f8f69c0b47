// A meeting point in phases: barrier.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

struct no_completion {
  void operator()() const noexcept {}
};

}  // namespace detail

// A barrier lets a number of flows wait for each other, phase after phase: when as many as expected
// have arrived, the last of them calls the completion function, then all go on and the next phase
// begins. Names as std::barrier; waits have deadlines.
//
// Thread safety: every call from any fiber or thread.
// Ordering: what was done before each arrival of a phase happens before its completion, and that
// before the return of the waits for the phase.
// Cuts: a flow whose wait is cut or timed out has arrived all the same; the others are not
// disturbed (Python's barrier breaks for all). If it will not come again, have it
// arrive_and_drop(). Lifetime: it may be destroyed when all waits for the last phase have returned.
// Neither copyable nor movable.
template <typename Completion = detail::no_completion>
class barrier {
 public:
  // Which phase was arrived at.
  class arrival_token {
   private:
    friend class barrier;
    explicit constexpr arrival_token(std::uint64_t phase) noexcept : phase_(phase) {}
    std::uint64_t phase_;
  };

  // Throws std::invalid_argument if `expected` is negative.
  explicit constexpr barrier(std::ptrdiff_t expected, Completion completion = Completion())
      : expected_(expected), left_(expected), completion_(std::move(completion)) {
    if (expected < 0) throw std::invalid_argument("vervet: barrier: a negative count");
  }
  barrier(const barrier&) = delete;
  barrier& operator=(const barrier&) = delete;

  // The most that it can expect.
  static constexpr std::ptrdiff_t max() noexcept {
    return std::numeric_limits<std::ptrdiff_t>::max();
  }

  // arrive() counts `n` arrivals and does not wait. If they are the phase's last, it calls the
  // completion function, which may block; what that throws comes out here, and the phase has ended
  // all the same. Throws std::logic_error if `n` is not positive or more than are expected yet.
  [[nodiscard]] arrival_token arrive(std::ptrdiff_t n = 1) { return arrive(n, 0); }

  // wait() waits until the phase of `token` has ended. Returns false if `until` passes first.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber; not at all if it has.
  // Throws cut_short, would_block_forever.
  bool wait(arrival_token token, deadline until = {}) const {
    std::unique_lock guard(lock_);
    if (phase_ != token.phase_) return true;
    return queue_.wait(guard, until.monotonic());
  }

  // Both.
  bool arrive_and_wait(deadline until = {}) { return wait(arrive(), until); }

  // Arrives once and is not expected in later phases. As arrive().
  void arrive_and_drop() { static_cast<void>(arrive(1, 1)); }

 private:
  arrival_token arrive(std::ptrdiff_t n, std::ptrdiff_t dropped) {
    std::unique_lock guard(lock_);
    if (n <= 0 || n > left_) throw std::logic_error("vervet: barrier: more arrive than expected");
    arrival_token token(phase_);
    left_ -= n;
    expected_ -= dropped;
    if (left_ != 0) return token;
    // All are here, and nobody can arrive before the phase ends.
    guard.unlock();
    struct end {
      barrier& of;
      ~end() {
        detail::wakes woken;
        std::lock_guard again(of.lock_);
        ++of.phase_;
        of.left_ = of.expected_;
        woken.add_all(of.queue_);
      }
    } at_last{*this};
    std::invoke(completion_);
    return token;
  }

  mutable detail::guard_lock lock_;
  mutable detail::wait_queue queue_;
  std::uint64_t phase_ = 0;
  std::ptrdiff_t expected_;  // of the next phase
  std::ptrdiff_t left_;      // of this one
  [[no_unique_address]] Completion completion_;
};

}  // namespace vervet
