// Several tasks at once: when_all; and one for a time: with_timeout. Included by task.hpp.
//
//     auto [page, number] = co_await when_all(fetch(url), count());
//     std::optional<page> p = co_await with_timeout(5s, fetch(url));
//
// Both are structured: the tasks given have ended when they return or throw.
#pragma once

#include <cstddef>
#include <exception>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <vervet/await.hpp>
#include <vervet/latch.hpp>
#include <vervet/outcome.hpp>
#include <vervet/task.hpp>
#include <vervet/time.hpp>

namespace vervet {
namespace detail {

// In the frame of the task that waits for all.
struct task_siblings {
  explicit task_siblings(std::size_t count) : left(static_cast<std::ptrdiff_t>(count)) {
    all.reserve(count);
  }

  latch left;
  std::exception_ptr first;  // the first exception of one of them
  std::vector<running<>> all;

  void fail(std::exception_ptr error) {
    if (first) return;
    first = std::move(error);
    cancel();
  }
  void cancel() {
    for (running<>& each : all) each.cancel();
  }
};

// Dies with its task's frame, also if that never began.
class sibling {
 public:
  explicit sibling(task_siblings& of) : of_(&of) {}
  sibling(sibling&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
  sibling& operator=(sibling&&) = delete;
  ~sibling() {
    if (of_ != nullptr) of_->left.count_down();
  }
  task_siblings& operator*() const { return *of_; }

 private:
  task_siblings* of_;
};

template <typename T>
task<> run_sibling(sibling one, task<T> work, result<T>& into) {
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
    } else {
      T&& value = co_await std::move(work);
      into.fill([&]() -> T&& { return std::forward<T>(value); });
    }
  } catch (...) {
    (*one).fail(std::current_exception());
  }
}

template <typename T>
void start_sibling(task_siblings& all, task<T> work, result<T>& into) {
  all.all.push_back(start(run_sibling(sibling(all), std::move(work), into)));
}

// Ends when `object` is ready: cuts meanwhile call `cancel`; the first is thrown at last.
template <typename T, typename Cancel>
task<> await_surely(T& object, Cancel cancel) {
  std::exception_ptr cut;
  for (;;) {
    try {
      co_await within(object, deadline::never());
      break;
    } catch (...) {
      if (!cut) cut = std::current_exception();
    }
    cancel();
  }
  if (cut) std::rethrow_exception(cut);
}

inline task<> await_siblings(task_siblings& all) {
  co_await await_surely(all.left, [&] { all.cancel(); });
  if (all.first) std::rethrow_exception(all.first);
}

// What a tuple or vector holds of a T.
template <typename T>
struct element {
  using type = T;
};
template <>
struct element<void> {
  using type = std::monostate;
};
template <typename T>
using element_t = typename element<T>::type;

template <typename T>
element_t<T> take_element(result<T>& from) {
  if constexpr (std::is_void_v<T>)
    return {};
  else
    return from.take();
}

}  // namespace detail

// when_all() runs the tasks at the same time, on this task's hub, and returns their values in the
// order given: a tuple (std::monostate for void). If one throws, the others are cancelled, and when
// they have ended the first exception is thrown. Cancelled itself it cancels them all.
template <typename... Ts>
task<std::tuple<detail::element_t<Ts>...>> when_all(task<Ts>... tasks) {
  detail::task_siblings all(sizeof...(Ts));
  std::tuple<detail::result<Ts>...> values;
  std::apply([&](auto&... into) { (detail::start_sibling(all, std::move(tasks), into), ...); },
             values);
  co_await detail::await_siblings(all);
  co_return std::apply(
      [](auto&... each) {
        return std::tuple<detail::element_t<Ts>...>(detail::take_element(each)...);
      },
      values);
}

// The same for any number of one type: a vector of the values, nothing for void.
template <typename T>
auto when_all(std::vector<task<T>> tasks)
    -> task<std::conditional_t<std::is_void_v<T>, void, std::vector<detail::element_t<T>>>> {
  detail::task_siblings all(tasks.size());
  std::vector<detail::result<T>> values(tasks.size());
  for (std::size_t i = 0; i < tasks.size(); ++i)
    detail::start_sibling(all, std::move(tasks[i]), values[i]);
  co_await detail::await_siblings(all);
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> taken;
    taken.reserve(values.size());
    for (detail::result<T>& each : values) taken.push_back(each.take());
    co_return taken;
  }
}

// with_timeout() returns the task's value, or nothing if it has not ended by `until`: it is
// cancelled then, and has ended when this returns. (A task<>: whether it has ended in time.) What
// it threw otherwise passes through. The same as with_timeout() of timeout.hpp, which is for
// fibers.
template <typename T>
auto with_timeout(deadline until, task<T> work)
    -> task<std::conditional_t<std::is_void_v<T>, bool, std::optional<std::remove_cvref_t<T>>>> {
  running<T> child = start(std::move(work));
  bool in_time = false;
  std::exception_ptr cut;
  try {
    in_time = co_await within(child, until);
  } catch (...) {
    cut = std::current_exception();
  }
  if (!in_time) {
    child.cancel();
    co_await detail::await_surely(child, [&] { child.cancel(); });
  }
  if (cut) std::rethrow_exception(cut);
  bool nothing = !in_time && child.cancelled();
  if constexpr (std::is_void_v<T>) {
    if (!nothing) child.get();
    co_return !nothing;
  } else {
    if (nothing) co_return std::nullopt;
    co_return std::move(child).get();
  }
}

}  // namespace vervet
