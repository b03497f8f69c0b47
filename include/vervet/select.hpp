// The first of several sends and receives: select.
//
//     bool open = true;
//     vervet::select(
//         vervet::receive(requests, [&](std::optional<request> r) { r ? serve(*r) : stop(); }),
//         vervet::when(!out.empty(), vervet::send(replies, out.front(), [&] { out.pop(); })),
//         vervet::after(100ms, [&] { flush(); }));   // or otherwise([&] { … }): do not wait
#pragma once

#include <algorithm>
#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vervet/after.hpp>
#include <vervet/channel.hpp>
#include <vervet/detail/select_case.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

template <typename T, typename F>
class receive_case : public channel<T>::receiving {
 public:
  template <typename Call>
  receive_case(channel<T>& from, Call&& f)
      : channel<T>::receiving(from), f_(std::forward<Call>(f)) {}
  void call() { std::invoke(f_, std::move(this->value())); }

 private:
  F f_;
};

template <typename T, typename F>
class send_case : public channel<T>::sending {
 public:
  template <typename Call>
  send_case(channel<T>& to, T& value, Call&& f)
      : channel<T>::sending(to, value), f_(std::forward<Call>(f)) {}
  void call() {
    this->check();
    std::invoke(f_);
  }

 private:
  F f_;
};

// A value that is not the caller's to move from is copied beforehand, out of the lock.
template <typename T>
struct copy_of {
  T copy;
};
template <typename T, typename F>
class send_copy_case : private copy_of<T>, public send_case<T, F> {
 public:
  template <typename Call>
  send_copy_case(channel<T>& to, const T& value, Call&& f)
      : copy_of<T>{value}, send_case<T, F>(to, copy_of<T>::copy, std::forward<Call>(f)) {}
};

template <typename F>
struct otherwise_case {
  F f;
  void call() { std::invoke(f); }
};

template <typename C>
inline constexpr bool is_otherwise = false;
template <typename F>
inline constexpr bool is_otherwise<otherwise_case<F>> = true;
template <typename C>
inline constexpr bool is_after = false;
template <typename F>
inline constexpr bool is_after<after_case<F>> = true;
template <typename C>
inline constexpr bool is_on_channel = std::derived_from<C, select_case>;

template <typename C>
concept any_case = is_otherwise<C> || is_after<C> || is_on_channel<C>;

}  // namespace detail

// receive(channel, f): a case of select(), f(std::optional<T>) is called with what was received,
// nullopt if the channel is closed and drained. A closed channel's case can always happen: use
// when() to leave it out from then on.
template <typename T, std::invocable<std::optional<T>> F>
auto receive(channel<T>& from, F&& f) {
  return detail::receive_case<T, std::decay_t<F>>(from, std::forward<F>(f));
}

// send(channel, value, f): a case of select(), f() is called after it has happened. A value that is
// given up (a temporary, std::move(v)) is moved from if the case happens and not otherwise. If the
// channel is closed the case can happen, and throws channel_closed.
template <typename T, std::invocable F = detail::do_nothing>
auto send(channel<T>& to, std::type_identity_t<T>&& value, F&& f = {}) {
  return detail::send_case<T, std::decay_t<F>>(to, value, std::forward<F>(f));
}
template <typename T, std::invocable F = detail::do_nothing>
auto send(channel<T>& to, const std::type_identity_t<T>& value, F&& f = {}) {
  return detail::send_copy_case<T, std::decay_t<F>>(to, value, std::forward<F>(f));
}

// otherwise(f): a case of select(), happens if none can at once (Go's default). One a select().
template <std::invocable F = detail::do_nothing>
auto otherwise(F&& f = {}) {
  return detail::otherwise_case<std::decay_t<F>>{std::forward<F>(f)};
}

// when(condition, case): the receive or send `case` if the condition holds, else none (what Go
// writes as a nil channel).
template <typename Case>
requires(detail::is_on_channel<std::remove_cvref_t<Case>>) Case && when(bool condition, Case&& c) {
  if (!condition) c.disable();
  return std::forward<Case>(c);
}

// select() waits until one of its cases can happen, makes that one happen, calls its function and
// returns its position among the arguments. If several can, each is as likely to be the one.
// Exactly one happens, also when selects face each other.
//
// Parks the calling fiber, or blocks the OS thread if it hosts none, but for otherwise(). Throws
// cut_short, would_block_forever (also if no case is left and there is no after()): then no case
// has happened. Throws channel_closed, and what the functions throw. They are called after the
// channels are let go of, and may wait.
// Cases live as long as the call: write them where select() is called.
template <typename... Cases>
requires(sizeof...(Cases) > 0 && (detail::any_case<std::remove_cvref_t<Cases>> && ...)) std::size_t
    select(Cases&&... cases) {
  constexpr std::size_t on_channels =
      (std::size_t{detail::is_on_channel<std::remove_cvref_t<Cases>>} + ...);
  constexpr std::size_t otherwises =
      (std::size_t{detail::is_otherwise<std::remove_cvref_t<Cases>>} + ...);
  static_assert(otherwises <= 1, "vervet: a select() has at most one otherwise()");

  std::array<detail::select_case*, on_channels> candidates{};
  std::array<std::size_t, on_channels> position_of{};
  std::size_t filled = 0;
  std::size_t at_last = detail::none;  // what happens if no candidate does
  std::int64_t until = VERVET_NEVER;
  std::size_t position = 0;
  auto sort = [&](auto& c) {
    using Case = std::remove_cvref_t<decltype(c)>;
    if constexpr (detail::is_on_channel<Case>) {
      candidates[filled] = &c;
      position_of[filled++] = position;
    } else if constexpr (detail::is_otherwise<Case>) {
      at_last = position;
    } else if (otherwises == 0 && (at_last == detail::none || c.until.monotonic() < until)) {
      until = c.until.monotonic();
      at_last = position;
    }
    ++position;
  };
  (sort(cases), ...);

  std::size_t chosen = detail::choose(candidates, until, otherwises == 0);
  std::size_t happened = detail::none;
  if constexpr (on_channels > 0)
    happened = chosen == detail::none ? at_last : position_of[chosen];
  else
    happened = at_last;
  position = 0;
  ((position++ == happened ? cases.call() : void()), ...);
  return happened;
}

}  // namespace vervet
