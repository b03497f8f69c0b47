// How one of several sends and receives happens, and no other. Not for direct use.
//
// As in Go: whoever chooses holds the locks of all its channels at once, taken in the order of
// their addresses. It looks for a case that can happen, and only if there is none stands in the
// channels' queues. Hence who acts stands in no queue, and cannot be claimed itself while it claims
// another: two selects that face each other, on any number of channels, never both act or both back
// off.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/told.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>

namespace vervet::detail {

// One case of a select, or a plain send or receive.
class select_case {
 public:
  select_case(guard_lock& lock, wait_queue& queue) noexcept : lock_(&lock), queue_(&queue) {}
  select_case(const select_case&) = delete;
  select_case& operator=(const select_case&) = delete;

  // With the channel's lock held: makes it happen if that is possible now; sets how(). Whom to wake
  // goes to `woken`. May throw, with no effect.
  virtual bool attempt(wakes& woken) = 0;

  // How it has happened. Set by attempt(), or by who has claimed the waiter.
  told how = told::again;

  // Not to be considered.
  void disable() noexcept { lock_ = nullptr; }
  bool is_enabled() const noexcept { return lock_ != nullptr; }
  guard_lock* lock() const noexcept { return lock_; }

  // With the channel's lock held:
  void stand_in_queue(selection& of, std::uint32_t index) noexcept {
    how = told::again;
    waiter_.of = &of;
    waiter_.index = index;
    waiter_.slot = this;
    queue_->push(waiter_);
  }
  void leave_queue() noexcept { queue_->remove(waiter_); }

 protected:
  ~select_case() = default;

 private:
  guard_lock* lock_;
  wait_queue* queue_;
  waiter waiter_;
};

// The locks of all cases, each once, in the order of their addresses.
template <std::size_t N>
class locks_of {
 public:
  explicit locks_of(const std::array<select_case*, N>& cases) noexcept {
    for (std::size_t i = 0; i < N; ++i) locks_[i] = cases[i]->lock();
    if constexpr (N > 1) std::sort(locks_.begin(), locks_.end(), std::less<guard_lock*>());
    for (std::size_t i = 0; i < N; ++i) {
      if (i > 0 && locks_[i] == locks_[i - 1]) continue;
      if (locks_[i] != nullptr) locks_[i]->lock();
    }
  }
  locks_of(const locks_of&) = delete;
  locks_of& operator=(const locks_of&) = delete;
  ~locks_of() {
    for (std::size_t i = 0; i < N; ++i) {
      if (i > 0 && locks_[i] == locks_[i - 1]) continue;
      if (locks_[i] != nullptr) locks_[i]->unlock();
    }
  }

 private:
  std::array<guard_lock*, N> locks_;
};

// A number below `limit`; the sequence is the same in each run of a program.
inline std::size_t random_below(std::size_t limit) noexcept {
  static std::atomic<std::uint64_t> state{0};
  std::uint64_t z = state.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;  // splitmix64
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return static_cast<std::size_t>((z ^ (z >> 31)) % limit);
}

// 0 … N-1, shuffled.
template <std::size_t N>
std::array<std::size_t, N> random_order() noexcept {
  std::array<std::size_t, N> order;
  for (std::size_t i = 0; i < N; ++i) {
    std::size_t j = i == 0 ? 0 : random_below(i + 1);
    order[i] = order[j];
    order[j] = i;
  }
  return order;
}

// No case has happened.
inline constexpr std::size_t none = ~std::size_t{0};

// Makes one of the cases happen, a random one of those that can, and returns which; `none` if none
// can and it must not wait, or the deadline has passed. Throws cut_short, would_block_forever, and
// what attempt() throws; then none has happened.
template <std::size_t N>
std::size_t choose(const std::array<select_case*, N>& cases, std::int64_t deadline, bool may_wait) {
  for (;;) {
    selection own;
    {
      wakes woken;
      locks_of<N> held(cases);
      if constexpr (N > 0) {
        for (std::size_t i : random_order<N>())
          if (cases[i]->is_enabled() && cases[i]->attempt(woken)) return i;
      }
      if (!may_wait) return none;
      for (std::size_t i = 0; i < N; ++i)
        if (cases[i]->is_enabled()) cases[i]->stand_in_queue(own, static_cast<std::uint32_t>(i));
    }
    int error = own.sleep(deadline);
    std::size_t happened = error == 0 ? own.index() : none;
    for (std::size_t i = 0; i < N; ++i) {
      // Whoever has claimed a waiter has taken it out of its queue. The channel is left alone then,
      // for what was received may be the sign that it is to be destroyed.
      if (i == happened || !cases[i]->is_enabled()) continue;
      std::lock_guard again(*cases[i]->lock());
      cases[i]->leave_queue();
    }
    if (error == ETIMEDOUT) return none;
    if (error != 0) throw_wait_error(error);
    if (cases[happened]->how != told::again) return happened;
  }
}

}  // namespace vervet::detail
