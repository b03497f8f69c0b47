// Queues between flows: queue, lifo_queue, priority_queue.
//
//     vervet::queue<job> jobs(100);
//     auto worker = vervet::spawn([&] {
//       for (job& j : jobs) { j.run(); jobs.task_done(); }
//     });
//     for (...) jobs.put(next_job());     // waits while there are 100
//     jobs.close();                       // the worker ends when it has done them all
//     worker.join();
#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>

#include <vervet/detail/draining_iterator.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/queue_order.hpp>
#include <vervet/detail/told.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet {

// Thrown by a put() into a closed queue, and by a get() without a deadline from one that is closed
// and empty.
class queue_closed : public std::runtime_error {
 public:
  queue_closed() : std::runtime_error("vervet: the queue is closed") {}
};

// What queue, lifo_queue and priority_queue share: all but the order in which items come out.
//
// Getters and putters that wait are served in the order they came. Where a call waits, it parks the
// calling fiber (or blocks the OS thread if it hosts none), throws cut_short if that is killed or
// its time is up, and would_block_forever if nobody is left to serve it. Who stops waiting so, or
// by its deadline, has taken or given nothing; who was served before it noticed, has: the call
// returns and its next wait is cut. No item is lost either way.
//
// Thread safety: all calls from any fiber or thread, between hubs and inside run() too. T's move
// (for peek(), its copy) and Compare run under the queue's lock: they must not wait or use the
// queue. What they throw, and bad_alloc, reaches the caller whose item it is. Neither copyable nor
// movable. It may be destroyed when nobody waits in it; a flow that a get() or join() has returned
// to may do so, though the put() or task_done() that woke it has not returned. Unlike gevent's:
// usable between hubs; a close() that ends iteration, for any number of getters.
template <typename T, typename Order>
class basic_queue {
 public:
  using value_type = T;
  using iterator = detail::draining_iterator<basic_queue, T>;

  // maxsize: how many items it holds before put() waits; 0: no limit.
  explicit basic_queue(std::size_t maxsize = 0, Order order = Order())
      : maxsize_(maxsize), items_(std::move(order)) {}
  basic_queue(const basic_queue&) = delete;
  basic_queue& operator=(const basic_queue&) = delete;

  // put() adds an item; while the queue is full it waits. Returns whether it did by `until`; if
  // not, or if it throws, `item` has not been moved from. Throws queue_closed, also if the queue is
  // closed while it waits.
  bool put(T&& item, deadline until = {});
  bool put(const T& item, deadline until = {}) requires std::copy_constructible<T> {
    return put(T(item), until);
  }

  // try_put() never waits: false if the queue is full. Throws queue_closed.
  bool try_put(T&& item);
  bool try_put(const T& item) requires std::copy_constructible<T> { return try_put(T(item)); }

  // get() takes the next item; while there is none it waits. Throws queue_closed once the queue is
  // closed and empty.
  T get() {
    std::optional<T> item = take(VERVET_NEVER);
    if (!item) throw queue_closed();
    return std::move(*item);
  }

  // The same with a deadline: nullopt if there was none by `until`, or none will come, for the
  // queue is closed (is_closed() tells).
  std::optional<T> get(deadline until) { return take(until.monotonic()); }

  // try_get() never waits: nullopt if there is no item.
  std::optional<T> try_get();

  // peek() copies the item that a get() would take; while there is none it waits. Somebody else may
  // take that item meanwhile. Results and throws as get().
  T peek() requires std::copy_constructible<T> {
    std::optional<T> item = look(VERVET_NEVER);
    if (!item) throw queue_closed();
    return std::move(*item);
  }
  std::optional<T> peek(deadline until) requires std::copy_constructible<T> {
    return look(until.monotonic());
  }

  // close() has puts throw queue_closed from now on, those that wait as well; gets take what is
  // left. With `immediate` what is left is dropped, and counts as done for join(). Never waits. May
  // be repeated.
  void close(bool immediate = false);
  bool is_closed() const {
    std::lock_guard guard(lock_);
    return closed_;
  }

  // task_done() says that one item which was got is dealt with. Never waits. Throws
  // std::logic_error if it is called more often than items were put.
  void task_done();

  // join() waits until each item that was put has had its task_done(). Returns whether that was so
  // by `until`. Putting more meanwhile prolongs it.
  bool join(deadline until = {});

  // How many items were put and have had no task_done().
  std::size_t unfinished() const {
    std::lock_guard guard(lock_);
    return unfinished_;
  }

  // The state when looked at; between threads it may have changed by then.
  std::size_t size() const {
    std::lock_guard guard(lock_);
    return items_.size();
  }
  bool empty() const { return size() == 0; }
  bool full() const {
    std::lock_guard guard(lock_);
    return is_full();
  }
  std::size_t maxsize() const noexcept { return maxsize_; }

  // `for (T& item : queue)` gets items, waiting for each, until the queue is closed and empty. Any
  // number of flows may iterate at the same time; each item goes to one of them.
  iterator begin() { return iterator(*this); }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend iterator;

  using told = detail::told;
  struct answer {
    told how = told::again;
  };
  struct getting : answer {
    std::optional<T> item;
  };
  struct putting : answer {
    explicit putting(T& i) : item(i) {}
    T& item;
  };
  struct peeking : getting {
    // Set by peek(), so that T is copied only where peek() is used: a vector<unique_ptr> claims
    // that it can be.
    void (*copy)(peeking&, const T&) = [](peeking& to, const T& item) { to.item.emplace(item); };
  };

  std::optional<T> next() { return take(VERVET_NEVER); }
  std::optional<T> take(std::int64_t deadline);
  std::optional<T> look(std::int64_t deadline);

  // With the lock held:
  bool is_full() const noexcept { return maxsize_ != 0 && items_.size() >= maxsize_; }
  void accept(T&& item, detail::wakes& woken);
  std::optional<T> take_front(detail::wakes& woken);
  void admit_putter(detail::wakes& woken) noexcept;
  void show_to_peekers(const T& item, detail::wakes& woken) noexcept;

  static void tell_closed(detail::wait_queue& waiting, detail::wakes& woken) noexcept {
    while (detail::waiter* w = waiting.claim_first()) {
      answer_of(*w).how = told::closed;
      woken.add(*w);
    }
  }
  static answer& answer_of(detail::waiter& w) noexcept { return *static_cast<answer*>(w.slot); }

  // Invariants: getters and peekers wait only while there is no item; putters only while it is
  // full.
  const std::size_t maxsize_;
  mutable detail::guard_lock lock_;
  Order items_;
  std::size_t unfinished_ = 0;
  bool closed_ = false;
  detail::wait_queue getters_;
  detail::wait_queue peekers_;
  detail::wait_queue putters_;
  detail::wait_queue joiners_;
};

// First in, first out.
template <typename T>
using queue = basic_queue<T, detail::first_in_first_out<T>>;

// Last in, first out.
template <typename T>
using lifo_queue = basic_queue<T, detail::last_in_first_out<T>>;

// The least item first, by Compare; of equal ones the first put. A Compare with a state goes in by
// the constructor: priority_queue<job, by_key> q(0, by_key(...)).
// Unlike gevent's: equal items keep their order; those need not be comparable by anything else.
template <typename T, typename Compare = std::less<T>>
using priority_queue = basic_queue<T, detail::least_first<T, Compare>>;

// ---- Implementation -----------------------------------------------------------------------------

template <typename T, typename Order>
bool basic_queue<T, Order>::put(T&& item, deadline until) {
  for (;;) {
    detail::wakes woken;
    std::unique_lock guard(lock_);
    if (closed_) throw queue_closed();
    if (!is_full()) {
      accept(std::move(item), woken);
      return true;
    }
    putting mine(item);
    if (!putters_.wait(guard, until.monotonic(), static_cast<answer*>(&mine))) return false;
    if (mine.how == told::served) return true;
    if (mine.how == told::closed) throw queue_closed();
  }
}

template <typename T, typename Order>
bool basic_queue<T, Order>::try_put(T&& item) {
  detail::wakes woken;
  std::lock_guard guard(lock_);
  if (closed_) throw queue_closed();
  if (is_full()) return false;
  accept(std::move(item), woken);
  return true;
}

template <typename T, typename Order>
std::optional<T> basic_queue<T, Order>::take(std::int64_t deadline) {
  for (;;) {
    detail::wakes woken;
    std::unique_lock guard(lock_);
    if (!items_.empty()) return take_front(woken);
    if (closed_) return std::nullopt;
    getting mine;
    if (!getters_.wait(guard, deadline, static_cast<answer*>(&mine))) return std::nullopt;
    if (mine.how == told::served) return std::move(mine.item);
    if (mine.how == told::closed) return std::nullopt;
  }
}

template <typename T, typename Order>
std::optional<T> basic_queue<T, Order>::try_get() {
  detail::wakes woken;
  std::lock_guard guard(lock_);
  if (items_.empty()) return std::nullopt;
  return take_front(woken);
}

template <typename T, typename Order>
std::optional<T> basic_queue<T, Order>::look(std::int64_t deadline) {
  for (;;) {
    std::unique_lock guard(lock_);
    if (!items_.empty()) return std::optional<T>(std::in_place, std::as_const(items_.front()));
    if (closed_) return std::nullopt;
    peeking mine;
    if (!peekers_.wait(guard, deadline, static_cast<answer*>(&mine))) return std::nullopt;
    if (mine.how == told::served) return std::move(mine.item);
    if (mine.how == told::closed) return std::nullopt;
  }
}

template <typename T, typename Order>
void basic_queue<T, Order>::close(bool immediate) {
  std::optional<Order> dropped;  // T's destructor runs without the lock
  detail::wakes woken;
  std::lock_guard guard(lock_);
  if (immediate) {
    dropped.emplace(items_.drain());
    unfinished_ -= std::min(unfinished_, dropped->size());
    if (unfinished_ == 0) woken.add_all(joiners_);
  }
  closed_ = true;
  tell_closed(putters_, woken);
  tell_closed(getters_, woken);
  tell_closed(peekers_, woken);
}

template <typename T, typename Order>
void basic_queue<T, Order>::task_done() {
  detail::wakes woken;
  std::lock_guard guard(lock_);
  if (unfinished_ == 0) throw std::logic_error("vervet: task_done() more often than put()");
  if (--unfinished_ == 0) woken.add_all(joiners_);
}

template <typename T, typename Order>
bool basic_queue<T, Order>::join(deadline until) {
  std::unique_lock guard(lock_);
  return unfinished_ == 0 || joiners_.wait(guard, until.monotonic());
}

template <typename T, typename Order>
void basic_queue<T, Order>::accept(T&& item, detail::wakes& woken) {
  show_to_peekers(item, woken);
  if (detail::waiter* w = getters_.claim_first()) {
    woken.add(*w);
    auto& getter = static_cast<getting&>(answer_of(*w));
    getter.item.emplace(std::move(item));
    getter.how = told::served;
  } else {
    items_.push(std::move(item));
  }
  ++unfinished_;
}

template <typename T, typename Order>
std::optional<T> basic_queue<T, Order>::take_front(detail::wakes& woken) {
  std::optional<T> item(std::in_place, std::move(items_.front()));
  items_.drop_front();
  admit_putter(woken);
  return item;
}

// An item's place has become free.
template <typename T, typename Order>
void basic_queue<T, Order>::admit_putter(detail::wakes& woken) noexcept {
  while (detail::waiter* w = putters_.claim_first()) {
    woken.add(*w);
    auto& putter = static_cast<putting&>(answer_of(*w));
    try {
      items_.push(std::move(putter.item));
      ++unfinished_;
      putter.how = told::served;
      return;
    } catch (...) {
      // That one tries again itself, and throws this to its own caller.
    }
  }
}

template <typename T, typename Order>
void basic_queue<T, Order>::show_to_peekers(const T& item, detail::wakes& woken) noexcept {
  while (detail::waiter* w = peekers_.claim_first()) {
    woken.add(*w);
    auto& peeker = static_cast<peeking&>(answer_of(*w));
    try {
      peeker.copy(peeker, item);
      peeker.how = told::served;
    } catch (...) {
      // It looks again itself.
    }
  }
}

}  // namespace vervet
