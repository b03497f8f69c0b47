// Who waits for what, in the order they came: every primitive is a state, a lock and one of these.
// Not for direct use.
//
// A *selection* is one wait, for one thing or the first of several. It has a *waiter* in the queue of
// each. Whoever has something to give claims a waiter; exactly one claim wins, and the sleeper's own
// giving up (timeout, kill) is one of those who race. The winner may hand something over through
// waiter::slot and then finishes the selection; the sleeper does not leave before that.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include <vervet/abi.h>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/error.hpp>

namespace vervet::detail {

class selection {
 public:
  selection() = default;
  // Somebody else than a sleeping flow: `notify` is called once the selection is finished, by
  // whoever finished it. It must not block or throw, and may destroy the selection.
  explicit selection(void (*notify)(selection&) noexcept) : notify_(notify) {}
  selection(const selection&) = delete;
  selection& operator=(const selection&) = delete;

  // True for exactly one caller.
  bool claim() noexcept {
    std::uint32_t expected = open;
    return state_.compare_exchange_strong(expected, claimed);
  }

  // By who has claimed it: `index` is what the sleeper is told.
  void finish(std::uint32_t index) noexcept {
    auto notify = notify_;
    // In order with vervet_unpark()'s look for sleepers, or each could miss the other: the sleeper
    // shows up, then looks at the state.
    state_.store(finished + index, std::memory_order_seq_cst);
    // From here on a sleeper may be gone, and the selection with it: the address alone is used.
    if (notify == nullptr)
      vervet_unpark(&state_, 1);
    else
      notify(*this);
  }

  bool is_finished() const noexcept { return state_.load(std::memory_order_acquire) >= finished; }
  // REQUIRES: is_finished().
  std::uint32_t index() const noexcept { return state_.load(std::memory_order_acquire) - finished; }

  // Sleeps until it is finished: 0. Or else the caller has claimed it by giving up, and unlinks its
  // waiters: ETIMEDOUT, ECANCELED, EDEADLK (see vervet_park()).
  int sleep(std::int64_t deadline, unsigned flags = 0) noexcept {
    for (;;) {
      if (is_finished()) return 0;
      int error = vervet_park(&state_, unfinished, this, deadline, flags);
      if (error == 0) continue;
      if (claim()) return error;
      // Somebody was faster and is about to finish it.
      deadline = VERVET_NEVER;
      flags = VERVET_PARK_UNCUT | VERVET_PARK_OUTSIDE;
    }
  }

 private:
  static constexpr std::uint32_t open = 0;
  static constexpr std::uint32_t claimed = 1;
  static constexpr std::uint32_t finished = 2;

  static int unfinished(void* self) { return !static_cast<selection*>(self)->is_finished(); }

  std::atomic<std::uint32_t> state_{open};
  void (*notify_)(selection&) noexcept = nullptr;
};

struct waiter {
  selection* of = nullptr;
  std::uint32_t index = 0;  // which of the selection's waiters this is
  void* slot = nullptr;     // for what is handed over, as the queue's owner defines
  bool linked = false;
  waiter* next = nullptr;
  waiter* previous = nullptr;
};

// Thread safety: none; the owner's guard_lock guards it.
class wait_queue {
 public:
  wait_queue() = default;
  wait_queue(const wait_queue&) = delete;
  wait_queue& operator=(const wait_queue&) = delete;

  bool empty() const noexcept { return first_ == nullptr; }
  // Who has waited longest; null if nobody waits. It may be giving up at this moment.
  waiter* front() const noexcept { return first_; }

  void push(waiter& w) noexcept {
    w.linked = true;
    w.next = nullptr;
    w.previous = last_;
    (last_ != nullptr ? last_->next : first_) = &w;
    last_ = &w;
  }

  // No effect if it is not linked.
  void remove(waiter& w) noexcept {
    if (!w.linked) return;
    w.linked = false;
    (w.previous != nullptr ? w.previous->next : first_) = w.next;
    (w.next != nullptr ? w.next->previous : last_) = w.previous;
  }

  // Takes it out; returns whether its selection could be claimed. If so, finish() must follow.
  bool claim(waiter& w) noexcept {
    remove(w);
    return w.of->claim();
  }

  // Takes out the first waiter whose selection can be claimed. The caller hands over what it has to
  // give, then calls finish(). Null if there is none.
  waiter* claim_first() noexcept {
    while (waiter* w = first_) {
      if (claim(*w)) return w;
    }
    return nullptr;
  }
  static void finish(waiter& w) noexcept { w.of->finish(w.index); }

  // claim_first() and finish() in one. Returns whether there was one.
  bool wake_one() noexcept {
    waiter* w = claim_first();
    if (w != nullptr) finish(*w);
    return w != nullptr;
  }
  void wake_all() noexcept {
    while (wake_one()) {
    }
  }

  // Sleeps in the queue, whose lock `guard` holds; it is released meanwhile and not held on return.
  // Returns whether it was woken, false on timeout. Throws cut_short, would_block_forever.
  bool wait(std::unique_lock<guard_lock>& guard, std::int64_t deadline, void* slot = nullptr) {
    int error = try_wait(guard, deadline, slot);
    if (error != 0 && error != ETIMEDOUT) throw_wait_error(error);
    return error == 0;
  }

  // The same; returns the error instead.
  int try_wait(std::unique_lock<guard_lock>& guard, std::int64_t deadline, void* slot = nullptr,
               unsigned flags = 0) noexcept {
    selection own;
    waiter w{&own, 0, slot};
    push(w);
    guard_lock& lock = *guard.mutex();
    guard.unlock();
    int error = own.sleep(deadline, flags);
    if (error != 0) {
      std::lock_guard again(lock);
      remove(w);
    }
    return error;
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

// Claimed waiters that are finished, in the order they were added, when this dies. Declare it before
// the guard of the owner's lock, so that it dies after it: whoever is woken may destroy the owner.
class wakes {
 public:
  wakes() = default;
  wakes(const wakes&) = delete;
  wakes& operator=(const wakes&) = delete;
  ~wakes() {
    while (waiter* w = first_) {
      first_ = w->next;
      wait_queue::finish(*w);
    }
  }

  // REQUIRES: claimed, and in no queue.
  void add(waiter& w) noexcept {
    w.next = nullptr;
    (last_ != nullptr ? last_->next : first_) = &w;
    last_ = &w;
  }
  // Claims and adds all of the queue.
  void add_all(wait_queue& queue) noexcept {
    while (waiter* w = queue.claim_first()) add(*w);
  }

 private:
  waiter* first_ = nullptr;
  waiter* last_ = nullptr;
};

}  // namespace vervet::detail
