// The results of several fibers at once, in the order they were given: gather.
#pragma once

#include <cerrno>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <vervet/detail/observation.hpp>
#include <vervet/error.hpp>
#include <vervet/fiber.hpp>

namespace vervet {

// How one fiber ended: with a value, or an exception (a killed one: fiber_exit).
template <typename T>
class settled {
 public:
  using value_type = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  // Made by gather().
  explicit settled(value_type value) : value_(std::move(value)) {}
  explicit settled(std::exception_ptr error) : error_(std::move(error)) {}

  // Whether it returned.
  bool has_value() const noexcept { return value_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  // The value; rethrows the exception if there is none.
  const value_type& value() const& {
    if (error_) std::rethrow_exception(error_);
    return *value_;
  }
  value_type value() && {
    if (error_) std::rethrow_exception(error_);
    return *std::move(value_);
  }
  // Null if there is a value.
  const std::exception_ptr& error() const noexcept { return error_; }

 private:
  std::optional<value_type> value_;
  std::exception_ptr error_;
};

// gather(return_exceptions, …) gives how each fiber ended and throws none of their exceptions.
struct return_exceptions_t {
  explicit return_exceptions_t() = default;
};
inline constexpr return_exceptions_t return_exceptions{};

namespace detail {

template <typename T>
inline constexpr bool is_fiber = false;
template <typename T>
inline constexpr bool is_fiber<fiber<T>> = true;

template <typename X>
concept gatherable = is_fiber<std::remove_cvref_t<X>> || spawnable<X>;

// The fiber that `x` is or starts; `gives_up`: its value may be moved out.
template <gatherable X>
auto fiber_of(X&& x) {
  if constexpr (is_fiber<std::remove_cvref_t<X>>)
    return std::remove_cvref_t<X>(std::forward<X>(x));
  else
    return spawn(std::forward<X>(x));
}
template <typename X>
inline constexpr bool gives_up =
    !is_fiber<std::remove_cvref_t<X>> || !std::is_lvalue_reference_v<X>;

// The type that a T stands as in a tuple or vector.
template <typename T>
struct gathered {
  using type = T;
};
template <>
struct gathered<void> {
  using type = std::monostate;
};
template <typename T>
struct gathered<T&> {
  using type = std::reference_wrapper<T>;
};
template <typename T>
using gathered_t = typename gathered<T>::type;

template <bool GivesUp, typename T>
gathered_t<T> value_of(fiber<T>& f) {
  if constexpr (std::is_void_v<T>)
    return f.get(), std::monostate();
  else if constexpr (GivesUp)
    return std::move(f).get();
  else
    return f.get();
}

template <bool GivesUp, typename T>
settled<gathered_t<T>> settled_of(fiber<T>& f) {
  if (std::exception_ptr error = f.exception()) return settled<gathered_t<T>>(std::move(error));
  return settled<gathered_t<T>>(value_of<GivesUp>(f));
}

// Waits for the ends of fibers that are added one by one.
class gathering {
 public:
  explicit gathering(std::size_t most) : ends_(most) {}

  template <typename T>
  void add(const fiber<T>& f) {
    const fiber<>& added = all_.emplace_back(f);
    exceptions_.emplace_back(*fiber_access::state(added));
    ends_.add(added);
  }

  void wait(bool throws, deadline until) {
    while (ends_.left() != 0) {
      std::size_t which;
      int error = ends_.next(which, until.monotonic());
      if (error == ETIMEDOUT) throw timed_out("vervet: gather");
      if (error != 0) throw_wait_error(error, "vervet: gather");
      if (!throws) continue;
      if (std::exception_ptr thrown = all_[which].exception()) std::rethrow_exception(thrown);
    }
  }

 private:
  std::deque<fiber<>> all_;
  std::deque<collecting> exceptions_;
  observation ends_;  // lets go before they die
};

template <typename... Xs>
auto gather_each(bool throws, auto&& take, Xs&&... xs) {
  std::tuple fibers{fiber_of(std::forward<Xs>(xs))...};
  gathering all(sizeof...(Xs));
  std::apply([&](auto&... f) { (all.add(f), ...); }, fibers);
  all.wait(throws, {});
  return std::apply(
      [&](auto&... f) {
        return std::tuple<decltype(take(f, std::bool_constant<gives_up<Xs>>()))...>(
            take(f, std::bool_constant<gives_up<Xs>>())...);
      },
      fibers);
}

template <typename Range>
concept gatherable_range = std::ranges::input_range<Range> &&
    gatherable<std::ranges::range_reference_t<Range>> && !gatherable<Range>;

template <typename Range>
auto gather_range(bool throws, auto&& take, Range&& range, deadline until) {
  using element = std::ranges::range_reference_t<Range>;
  std::vector<decltype(fiber_of(std::declval<element>()))> fibers;
  for (auto&& x : range) fibers.push_back(fiber_of(std::forward<element>(x)));
  gathering all(fibers.size());
  for (auto& f : fibers) all.add(f);
  all.wait(throws, until);
  constexpr std::bool_constant<gives_up<element>> moves;
  std::vector<decltype(take(fibers[0], moves))> results;
  results.reserve(fibers.size());
  for (auto& f : fibers) results.push_back(take(f, moves));
  return results;
}

struct take_value {
  template <typename T, bool GivesUp>
  gathered_t<T> operator()(fiber<T>& f, std::bool_constant<GivesUp>) const {
    return value_of<GivesUp>(f);
  }
};
struct take_settled {
  template <typename T, bool GivesUp>
  settled<gathered_t<T>> operator()(fiber<T>& f, std::bool_constant<GivesUp>) const {
    return settled_of<GivesUp>(f);
  }
};

}  // namespace detail

// gather() waits until all have ended and returns their results in the order given, as a tuple:
// fibers, or callables, each of which it spawns. Nothing stands as std::monostate, a reference as
// std::reference_wrapper. Results are moved from callables and handles that are given up
// (std::move), else copied.
//   auto [page, score] = vervet::gather([&] { return fetch(url); }, scorer);
// The first exception of one of them is rethrown as soon as it is there, a killed one's fiber_exit
// too; the others run on (a task_group ends them).
// Blocks the calling flow. Throws what they throw, cut_short, would_block_forever, and what spawn()
// throws. Any thread.
template <detail::gatherable... Xs>
requires(sizeof...(Xs) > 0) auto gather(Xs&&... xs) {
  return detail::gather_each(true, detail::take_value(), std::forward<Xs>(xs)...);
}

// The same of a range, as a vector. Throws timed_out if they have not ended by `until`.
template <detail::gatherable_range Range>
auto gather(Range&& range, deadline until = {}) {
  return detail::gather_range(true, detail::take_value(), std::forward<Range>(range), until);
}

// With return_exceptions: waits for all of them, and gives a settled<T> for each.
template <detail::gatherable... Xs>
requires(sizeof...(Xs) > 0) auto gather(return_exceptions_t, Xs&&... xs) {
  return detail::gather_each(false, detail::take_settled(), std::forward<Xs>(xs)...);
}
template <detail::gatherable_range Range>
auto gather(return_exceptions_t, Range&& range, deadline until = {}) {
  return detail::gather_range(false, detail::take_settled(), std::forward<Range>(range), until);
}

}  // namespace vervet
