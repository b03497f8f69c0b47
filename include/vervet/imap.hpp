// The results of calls for the items of a range, one by one: what group::imap() returns.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <ranges>
#include <type_traits>
#include <utility>

#include <vervet/detail/group_core.hpp>
#include <vervet/fiber.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// How map() hands an item to a call: as it is, if it certainly stays where it is.
template <typename Range>
using map_item =
    std::conditional_t<std::ranges::forward_range<Range> &&
                           std::is_lvalue_reference_v<std::ranges::range_reference_t<Range>>,
                       std::ranges::range_reference_t<Range>, std::ranges::range_value_t<Range>>;

// Which calls of an imap() have ended, told by their ends to the one who asks for results.
struct call_ends final : end_listener {
  guard_lock lock;
  wait_queue waiting;
  std::uint64_t count = 0;
  std::list<std::uint64_t> tickets;   // in the order they ended
  std::list<std::uint64_t> reserved;  // an element a running call, so that ended() needs no memory

  void ended(std::uint64_t ticket) noexcept override {
    wakes woken;
    std::lock_guard guard(lock);
    ++count;
    reserved.front() = ticket;
    tickets.splice(tickets.end(), reserved, reserved.begin());
    woken.add_all(waiting);
  }

  void reserve() {
    std::list<std::uint64_t> one(1);
    std::lock_guard guard(lock);
    reserved.splice(reserved.end(), one);
  }
  void unreserve() noexcept {
    std::lock_guard guard(lock);
    reserved.pop_front();
  }
  std::uint64_t so_far() noexcept {
    std::lock_guard guard(lock);
    return count;
  }
  std::optional<std::uint64_t> take_ticket() noexcept {
    std::lock_guard guard(lock);
    if (tickets.empty()) return {};
    std::uint64_t first = tickets.front();
    tickets.pop_front();
    return first;
  }
  // Waits until one more than `seen` have ended. False at the deadline.
  bool await_more(std::uint64_t seen, deadline until) {
    std::unique_lock guard(lock);
    return count != seen || waiting.wait(guard, until.monotonic());
  }
};

// The heart of imap_results, which does not move. Of one flow. `Range` as std::forward has it.
template <typename F, typename Range>
class imap_source {
 public:
  using item = std::ranges::range_value_t<Range>;
  using result_type = std::invoke_result_t<F&, item>;
  static_assert(!std::is_void_v<result_type> && !std::is_reference_v<result_type>,
                "imap() is for functions that return a value; map() for others");

  imap_source(std::shared_ptr<group_core> core, F f, Range&& items, std::size_t most, bool ordered)
      : core_(std::move(core)),
        f_(std::make_shared<F>(std::move(f))),
        items_(std::forward<Range>(items)),
        most_(most),
        ordered_(ordered) {}

  // The next call that has ended; empty if there is none any more.
  fiber<result_type> next(deadline until) {
    for (;;) {
      std::uint64_t seen = ends_->so_far();
      refill(until);
      if (running_.empty()) return {};
      if (ordered_) {
        if (running_.begin()->second.ready()) return take(running_.begin());
      } else if (std::optional<std::uint64_t> ticket = ends_->take_ticket()) {
        return take(running_.find(*ticket));
      }
      if (!ends_->await_more(seen, until)) throw timed_out("vervet: imap");
    }
  }

 private:
  using calls = std::map<std::uint64_t, fiber<result_type>>;

  fiber<result_type> take(typename calls::iterator at) {
    fiber<result_type> ended = std::move(at->second);
    running_.erase(at);
    // In order, nobody asks for tickets.
    if (ordered_) ends_->take_ticket();
    return ended;
  }

  // Waits for room in a pool only if there is nothing else to wait for: calls that end have us come
  // again.
  void refill(deadline until) {
    while (most_ == 0 || running_.size() < most_) {
      if (!at_) at_.emplace(std::ranges::begin(items_));
      if (*at_ == std::ranges::end(items_)) return;
      if (!running_.empty()) {
        if (!core_->try_enter()) return;
      } else if (!core_->enter(until)) {
        throw timed_out("vervet: imap");
      }
      start();
    }
  }

  // REQUIRES: a slot was taken.
  void start() {
    std::optional<item> next;
    typename calls::iterator at = running_.end();
    try {
      if constexpr (std::is_lvalue_reference_v<Range> || std::ranges::view<Range>)
        next.emplace(**at_);
      else
        next.emplace(std::move(**at_));
      at = running_.emplace_hint(running_.end(), ++tickets_, fiber<result_type>());
      ends_->reserve();
    } catch (...) {
      if (at != running_.end()) running_.erase(at);
      core_->leave();
      throw;
    }
    try {
      at->second = core_->launch(
          {.collected = true, .listener = ends_, .ticket = tickets_},
          [f = f_](item i) -> result_type { return std::invoke(*f, std::move(i)); },
          std::move(*next));
    } catch (...) {
      ends_->unreserve();
      running_.erase(at);
      throw;
    }
    ++*at_;
  }

  std::shared_ptr<group_core> core_;
  std::shared_ptr<F> f_;
  Range items_;  // or a reference to them
  std::optional<std::ranges::iterator_t<std::remove_reference_t<Range>>> at_;
  std::size_t most_;
  bool ordered_;
  std::shared_ptr<call_ends> ends_ = std::make_shared<call_ends>();
  calls running_;  // or not asked for
  std::uint64_t tickets_ = 0;
};

}  // namespace detail

// imap_results is an input range, passed through once, of what calls return:
//
//     for (page& p : workers.imap(fetch, urls, 8)) print(p);
//
// or, where failures are expected, with next(), which throws the exception of a call in its item's
// place and goes on with the following one. The range of items is gone through by who asks for
// results, not by another fiber. One that is an lvalue must live as long, and its items are copied;
// one that is given up is kept, and its items are moved into the calls.
//
// Blocks     begin(), ++ and next(): the calling flow until there is a result; in a pool, for room.
// Cut        they throw cut_short, and may be called again.
// Throws     *iterator and next(): what the call has thrown; fiber_exit if it was killed.
// Thread safety: of one flow at a time; the group may be used by others.
// Lifetime   dropping it leaves the calls that run as members of the group. Movable.
template <typename F, typename Range>
class imap_results {
  using source = detail::imap_source<F, Range>;

 public:
  using value_type = typename source::result_type;

  // Made by group::imap() and imap_unordered().
  imap_results(std::shared_ptr<detail::group_core> core, F f, Range&& items, std::size_t most,
               bool ordered)
      : source_(std::make_unique<source>(std::move(core), std::move(f), std::forward<Range>(items),
                                         most, ordered)) {}

  // The next result; none if there are no more. Throws timed_out if there is none by `until`; then
  // it may be asked for again.
  std::optional<value_type> next(deadline until = {}) {
    fiber<value_type> ended = source_->next(until);
    if (!ended) return {};
    return std::move(ended).get();
  }

  class iterator {
   public:
    using value_type = imap_results::value_type;
    using difference_type = std::ptrdiff_t;

    value_type& operator*() const {
      if (!of_->value_) of_->value_.emplace(std::move(of_->current_).get());
      return *of_->value_;
    }
    iterator& operator++() {
      of_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !of_->current_; }

   private:
    friend class imap_results;
    explicit iterator(imap_results* of) : of_(of) {}
    imap_results* of_;
  };

  // The range must stay where it is as long as an iterator is used.
  iterator begin() {
    if (!current_) advance();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  void advance() {
    value_.reset();
    current_ = {};
    current_ = source_->next({});
  }

  std::unique_ptr<source> source_;
  fiber<value_type> current_;
  std::optional<value_type> value_;
};

}  // namespace vervet
