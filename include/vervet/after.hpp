// A time as something to wait for: a case of select(), or what a task awaits.
#pragma once

#include <concepts>
#include <functional>
#include <type_traits>
#include <utility>

#include <vervet/time.hpp>

namespace vervet {
namespace detail {

struct do_nothing {
  template <typename... Args>
  void operator()(Args&&...) const noexcept {}
};

template <typename F>
struct after_case {
  deadline until;
  F f;
  void call() { std::invoke(f); }
};

}  // namespace detail

// after(deadline, f): a case of select(), happens if none else does by then. Of several, the
// earliest. co_await after(10ms): a duration from now, or until a time point. A past one lets
// others run.
template <std::invocable F = detail::do_nothing>
[[nodiscard]] auto after(deadline until, F&& f = {}) {
  return detail::after_case<std::decay_t<F>>{until, std::forward<F>(f)};
}

}  // namespace vervet
