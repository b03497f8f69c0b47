// Channels as in Go: channel<T>. For choosing among several, see select.hpp.
//
//     vervet::channel<int> numbers;
//     auto squares = vervet::spawn([&] {
//       for (int n : numbers) std::cout << n * n << '\n';
//     });
//     for (int n = 0; n < 10; ++n) numbers.send(n);   // each waits until it is received
//     numbers.close();
//     squares.join();
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <vervet/detail/draining_iterator.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/select_case.hpp>
#include <vervet/detail/told.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet {

// Thrown by a send into a closed channel.
class channel_closed : public std::runtime_error {
 public:
  channel_closed() : std::runtime_error("vervet: the channel is closed") {}
};

// How a receive() with a deadline ended.
enum class channel_status {
  received,  // there is a value
  not_yet,   // there was none by the deadline
  closed,    // there is none and none will come
};

// Carries values from flow to flow. With capacity 0 a send and a receive meet: each waits for the
// other. With capacity n, n values are kept that nobody has received yet.
//
// Who waits is served in the order it came. Where a call waits, it parks the calling fiber (or
// blocks the OS thread if it hosts none), throws cut_short if that is killed or its time is up, and
// would_block_forever if nobody is left to serve it. Who stops waiting so, or by its deadline, has
// sent or received nothing; who was served before it noticed, has: the call returns and its next
// wait is cut. No value is lost either way.
//
// Thread safety: all calls from any fiber or thread, between hubs and inside run() too. T's move
// runs under the channel's lock: it must not wait or use the channel. What it throws, and
// bad_alloc, reaches who sends or receives that value. Neither copyable nor movable. It may be
// destroyed when nobody waits in it; a flow that a send or receive has returned to may do so,
// though the call that woke it has not returned. Unlike Go's: deadlines; closing twice is no error,
// so that each of several producers may; a send into a closed channel throws instead of ending the
// process.
template <typename T>
class channel {
 public:
  using value_type = T;
  using iterator = detail::draining_iterator<channel, T>;

  // capacity: how many values it keeps before send() waits; 0: none, each send meets its receive.
  explicit channel(std::size_t capacity = 0) : capacity_(capacity) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;

  // send() waits until the value is received or, if there is room, kept. Returns whether that was
  // so by `until`; if not, or if it throws, `value` has not been moved from. Throws channel_closed,
  // also if the channel is closed while it waits.
  bool send(T&& value, deadline until = {}) { return give(value, until.monotonic(), true); }
  bool send(const T& value, deadline until = {}) requires std::copy_constructible<T> {
    return send(T(value), until);
  }

  // try_send() never waits: false if nobody waits to receive and there is no room.
  bool try_send(T&& value) { return give(value, VERVET_NEVER, false); }
  bool try_send(const T& value) requires std::copy_constructible<T> { return try_send(T(value)); }

  // receive() waits for the next value. nullopt says that the channel is closed and nothing is left
  // in it; nothing else does.
  std::optional<T> receive() {
    std::optional<T> value;
    receive(value, deadline());
    return value;
  }

  // The same with a deadline. Throws timed_out.
  std::optional<T> receive(deadline until) {
    std::optional<T> value;
    if (receive(value, until) == channel_status::not_yet)
      throw timed_out("vervet: channel: receive");
    return value;
  }

  // The same where a deadline that passes is nothing exceptional: `into` holds the value if and
  // only if the result is `received`; else it is empty.
  channel_status receive(std::optional<T>& into, deadline until) {
    return fetch(into, until.monotonic(), true);
  }

  // try_receive() never waits.
  channel_status try_receive(std::optional<T>& into) { return fetch(into, VERVET_NEVER, false); }

  // close() has sends throw channel_closed from now on, those that wait as well; receives take what
  // is left. Never waits. Returns whether it was open before.
  bool close() noexcept;
  bool is_closed() const {
    std::lock_guard guard(lock_);
    return closed_;
  }

  // How many values are kept at the moment: 0 … capacity().
  std::size_t size() const {
    std::lock_guard guard(lock_);
    return kept_.size();
  }
  std::size_t capacity() const noexcept { return capacity_; }

  // `for (T& value : channel)` receives, waiting for each value, until the channel is closed and
  // drained. Any number of flows may do so at the same time; each value goes to one of them.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

  // What a send and a receive are made of. For select.hpp.
  class sending;
  class receiving;

 private:
  friend iterator;

  std::optional<T> next() { return receive(); }
  bool give(T& value, std::int64_t deadline, bool may_wait);
  channel_status fetch(std::optional<T>& into, std::int64_t deadline, bool may_wait);

  const std::size_t capacity_;
  mutable detail::guard_lock lock_;
  std::deque<T> kept_;
  bool closed_ = false;
  detail::wait_queue senders_;
  detail::wait_queue receivers_;
};

// ---- Implementation -----------------------------------------------------------------------------

// Moves from `value` when it happens, and not otherwise.
template <typename T>
class channel<T>::sending : public detail::select_case {
 public:
  sending(channel& to, T& value) noexcept
      : select_case(to.lock_, to.senders_), to_(to), value_(value) {}

  bool attempt(detail::wakes& woken) override {
    if (to_.closed_) throw channel_closed();
    if (detail::waiter* w = to_.receivers_.claim_first()) {
      woken.add(*w);
      static_cast<receiving&>(of(*w)).take(value_);
    } else if (to_.kept_.size() < to_.capacity_) {
      to_.kept_.push_back(std::move(value_));
    } else {
      return false;
    }
    how = detail::told::served;
    return true;
  }

  T& value() noexcept { return value_; }

  // REQUIRES: it has happened.
  void check() const {
    if (how == detail::told::closed) throw channel_closed();
  }

  static select_case& of(detail::waiter& w) noexcept { return *static_cast<select_case*>(w.slot); }

 private:
  channel& to_;
  T& value_;
};

template <typename T>
class channel<T>::receiving : public detail::select_case {
 public:
  explicit receiving(channel& from) noexcept
      : select_case(from.lock_, from.receivers_), from_(from) {}

  bool attempt(detail::wakes& woken) override {
    if (!from_.kept_.empty()) {
      take(from_.kept_.front());
      from_.kept_.pop_front();
      admit_sender(woken);
    } else if (detail::waiter* w = from_.senders_.claim_first()) {
      woken.add(*w);
      auto& sender = static_cast<sending&>(sending::of(*w));
      take(sender.value());
      sender.how = detail::told::served;
    } else if (from_.closed_) {
      how = detail::told::closed;
    } else {
      return false;
    }
    return true;
  }

  void take(T& value) {
    value_.emplace(std::move(value));
    how = detail::told::served;
  }

  // REQUIRES: it has happened. Empty if it was that the channel is closed.
  std::optional<T>& value() noexcept { return value_; }

 private:
  // One more value can be kept.
  void admit_sender(detail::wakes& woken) noexcept {
    while (detail::waiter* w = from_.senders_.claim_first()) {
      woken.add(*w);
      auto& sender = static_cast<sending&>(sending::of(*w));
      try {
        from_.kept_.push_back(std::move(sender.value()));
        sender.how = detail::told::served;
        return;
      } catch (...) {
        // That one tries again itself, and throws this to its own caller.
      }
    }
  }

  channel& from_;
  std::optional<T> value_;
};

template <typename T>
bool channel<T>::give(T& value, std::int64_t deadline, bool may_wait) {
  sending one(*this, value);
  if (detail::choose<1>({&one}, deadline, may_wait) == detail::none) return false;
  one.check();
  return true;
}

template <typename T>
channel_status channel<T>::fetch(std::optional<T>& into, std::int64_t deadline, bool may_wait) {
  into.reset();
  receiving one(*this);
  if (detail::choose<1>({&one}, deadline, may_wait) == detail::none) return channel_status::not_yet;
  if (one.how == detail::told::closed) return channel_status::closed;
  into.emplace(std::move(*one.value()));
  return channel_status::received;
}

template <typename T>
bool channel<T>::close() noexcept {
  detail::wakes woken;
  std::lock_guard guard(lock_);
  if (std::exchange(closed_, true)) return false;
  for (detail::wait_queue* waiting : {&senders_, &receivers_}) {
    while (detail::waiter* w = waiting->claim_first()) {
      sending::of(*w).how = detail::told::closed;
      woken.add(*w);
    }
  }
  return true;
}

}  // namespace vervet
