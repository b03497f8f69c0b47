// Several fibers at once: joinall, killall. Included by fiber.hpp.
#pragma once

#include <algorithm>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <initializer_list>
#include <memory>
#include <ranges>
#include <vector>

#include <vervet/detail/fiber_state.hpp>
#include <vervet/detail/observation.hpp>
#include <vervet/fiber.hpp>

namespace vervet {

// How to join: joinall(fibers, {.timeout = 1s, .count = 1}).
struct joinall_options {
  deadline timeout = {};         // when to return false
  std::size_t count = SIZE_MAX;  // how many must have ended
  bool raise_error = false;      // rethrows the first failure, as soon as it is seen
};

namespace detail {

template <typename R>
concept fiber_range = std::ranges::input_range<R> && requires(std::ranges::range_reference_t<R> f) {
  { f.native_handle() } -> std::same_as<vervet_fiber*>;
};

template <fiber_range Range>
bool join_each(Range&& fibers, deadline until) {
  for (auto&& f : fibers)
    if (f && !f.join(until)) return false;
  return true;
}

// In the order they end.
template <fiber_range Range>
bool join_as_they_end(Range&& fibers, const joinall_options& options) {
  std::vector<fiber<>> all;
  for (auto&& f : fibers)
    if (f) all.push_back(f);
  std::deque<collecting> exceptions;
  observation ends(all.size());
  for (fiber<>& f : all) {
    if (options.raise_error) exceptions.emplace_back(*fiber_access::state(f));
    ends.add(f);
  }
  for (std::size_t left = std::min(options.count, all.size()); left != 0; --left) {
    std::size_t which;
    int error = ends.next(which, options.timeout.monotonic());
    if (error == ETIMEDOUT) return false;
    if (error != 0) throw_wait_error(error, "vervet: joinall");
    const fiber<>& ended = all[which];
    if (options.raise_error && !ended.cancelled() && ended.exception())
      std::rethrow_exception(ended.exception());
    if (!ended.join(options.timeout)) return false;
  }
  return true;
}

template <fiber_range Range>
bool kill_each(Range&& fibers, const std::exception_ptr& given, bool block, deadline until) {
  if constexpr (!std::ranges::forward_range<Range>) {
    std::vector<fiber<>> all;  // they are gone through more than once
    for (auto&& f : fibers) all.push_back(f);
    return kill_each(all, given, block, until);
  }
  bool all_ended = true, self = false;
  for (auto&& f : fibers) {
    if (!f) continue;
    if (f.native_handle() == vervet_current())
      self = true;
    else if (!f.kill(given, false))
      all_ended = false;
  }
  if (!self) return block && !all_ended ? join_each(fibers, until) : all_ended;
  if (block)
    for (auto&& f : fibers)
      if (f && f.native_handle() != vervet_current()) f.join(until);
  for (auto&& f : fibers)
    if (f && f.native_handle() == vervet_current()) return f.kill(given, block);
  return false;
}

}  // namespace detail

// joinall() waits until all fibers have ended: a range of handles, or handles one by one. Empty
// handles are passed over. Returns whether all have ended by `until`. It never throws a fiber's
// exception (get() does); otherwise throws what join() throws. Handles one by one with a deadline
// stand in braces: joinall({a, b}, 100ms).
template <detail::fiber_range Range>
bool joinall(Range&& fibers, deadline until = {}) {
  return detail::join_each(fibers, until);
}
inline bool joinall(std::initializer_list<fiber<>> fibers, deadline until = {}) {
  return detail::join_each(fibers, until);
}
template <typename... Ts>
requires(sizeof...(Ts) > 0) void joinall(const fiber<Ts>&... fibers) {
  joinall(std::initializer_list<fiber<>>{fibers...});
}

// With options: returns whether `count` of them (all, if there are fewer) have ended in time. With
// raise_error it rethrows the exception of the first one that is seen to fail; the others run on. A
// killed one (cancelled()) has not failed.
template <detail::fiber_range Range>
bool joinall(Range&& fibers, const joinall_options& options) {
  return detail::join_as_they_end(fibers, options);
}
inline bool joinall(std::initializer_list<fiber<>> fibers, const joinall_options& options) {
  return detail::join_as_they_end(fibers, options);
}

// killall() kills each as fiber::kill() does, before it waits for any: those that have not begun
// never run. The calling fiber, if it is among them, comes last. Returns whether all have ended, by
// `until` if `block` (gevent's raises at its timeout); never throws their exceptions, otherwise
// what join() throws.
template <detail::fiber_range Range>
bool killall(Range&& fibers, std::exception_ptr given, bool block = true, deadline until = {}) {
  return detail::kill_each(fibers, given, block, until);
}
template <detail::fiber_range Range, detail::thrown E>
bool killall(Range&& fibers, E&& given, bool block = true, deadline until = {}) {
  std::exception_ptr made = std::make_exception_ptr(std::forward<E>(given));
  return detail::kill_each(fibers, made, block, until);
}
template <detail::fiber_range Range>
bool killall(Range&& fibers, deadline until = {}) {
  return detail::kill_each(fibers, nullptr, true, until);
}

}  // namespace vervet
