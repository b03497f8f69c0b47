// Fibers: spawn, the handle, joinall.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <ranges>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>
#include <vervet/vervet.h>

namespace vervet {

// How to spawn: spawn({.stack_size = 1 << 20, .name = "resolver"}, f).
struct spawn_options {
  std::size_t stack_size = 0;  // bytes, guard page included; 0: 64 KiB, inside run() 256 KiB
  std::string_view name = {};  // for messages; its first 15 bytes are copied
};

namespace detail {

// What a fiber and its handles share.
template <typename T, typename... Call>
struct spawned : outcome<T> {
  std::optional<std::tuple<Call...>> call;  // dies with the fiber, not with its handles
  std::shared_ptr<spawned> own;             // the fiber's share, until it runs

  template <typename... From>
  explicit spawned(std::in_place_t, From&&... from)
      : call(std::in_place, std::forward<From>(from)...) {}

  static void* enter(void* argument) {
    std::shared_ptr<spawned> self = std::move(static_cast<spawned*>(argument)->own);
    self->run([&]() -> T {
      return std::apply(
          [](auto&&... part) -> T { return std::invoke(std::forward<decltype(part)>(part)...); },
          std::move(*self->call));
    });
    self->call.reset();
    // Not on the way of a get() that waits: that one throws it.
    if (self->error && self->getters.load() == 0) report_uncaught(self->error);
    return nullptr;
  }
};

}  // namespace detail

// A handle to a spawned fiber whose callable returns T.
//
// Copies name the same fiber. A fiber<void> can be made from any fiber<T>: it joins, and its get()
// only rethrows. Dropping handles neither ends nor joins the fiber.
// Thread safety: calls through different handles from any threads; one handle object as any object.
// REQUIRES, for every call but operator bool: the handle is not empty.
template <typename T = void>
class fiber {
 public:
  using kept = typename detail::result<T>::kept;  // const T&; T& and void as they are

  fiber() = default;

  template <typename Other>
  requires(std::is_void_v<T> && !std::is_void_v<Other>)
      fiber(const fiber<Other>& other)  // NOLINT: implicit, so that a vector<fiber<>> takes any
      : outcome_(other.outcome_) {}

  // join() waits until the fiber has ended, however it ended; never throws its exception. Returns
  // whether it has ended by `until`.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber.
  // Throws would_block_forever; cut_short; std::system_error (owner_dead) if its host thread has
  // ended.
  bool join(deadline until = {}) const {
    int error = vervet_join(outcome_->handle, nullptr, until.monotonic());
    if (error != 0 && error != ETIMEDOUT) detail::throw_wait_error(error, "vervet: join");
    return error == 0;
  }

  // get() joins, then returns what the callable returned or rethrows what it threw, each time it is
  // called. The reference lives as long as a handle to the fiber. Throws what join() throws, too;
  // std::logic_error if pthread_exit() has ended the fiber without a result.
  kept get() const& {
    await_outcome();
    if constexpr (!std::is_void_v<T>) return typed().result.look();
  }

  // On a handle that is given up, spawn(f).get(): moves the value out of the fiber. Other handles
  // find a moved-from value.
  T get() && {
    await_outcome();
    if constexpr (!std::is_void_v<T>) return typed().result.take();
  }

  // True if the fiber has ended. Never blocks.
  bool has_ended() const noexcept { return vervet_has_ended(outcome_->handle) != 0; }

  // False for an empty handle.
  explicit operator bool() const noexcept { return outcome_ != nullptr; }
  friend bool operator==(const fiber&, const fiber&) = default;

  // For the C interface; valid as long as a handle to the fiber. Null for an empty handle.
  vervet_fiber* native_handle() const noexcept { return outcome_ ? outcome_->handle : nullptr; }

 private:
  template <typename Other>
  friend class fiber;
  template <typename F, typename... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  friend auto spawn(spawn_options options, F&& f, Args&&... args)
      -> fiber<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>>;

  explicit fiber(std::shared_ptr<detail::outcome_base> outcome) : outcome_(std::move(outcome)) {}

  void await_outcome() const {
    struct getter {
      detail::outcome_base& of;
      explicit getter(detail::outcome_base& b) : of(b) { ++of.getters; }
      ~getter() { --of.getters; }
    } waiting(*outcome_);
    join();
    outcome_->rethrow();
  }

  detail::outcome<T>& typed() const { return static_cast<detail::outcome<T>&>(*outcome_); }

  std::shared_ptr<detail::outcome_base> outcome_;  // an outcome<T>, or any type's if T is void
};

// spawn() makes a fiber that calls f(args...), all copied or moved into it as std::thread does;
// they are destroyed when it ends. It does not run now: it stands at the end of the queue and its
// turn comes when the caller waits (join, get, sleep, yield), fibers in the order they were
// spawned. Inside run() it is a full fiber, with a thread's identity, and starts when a worker is
// free.
//
// An exception that leaves f ends the fiber alone: get() rethrows it. Unless a get() waits at that
// moment, one line on stderr tells of it: "vervet: fiber 3 (name) ended with an uncaught exception:
// …". What libc unwinds with (pthread_exit) is not an exception; a light fiber must not call
// pthread_exit.
//
// Any thread. Never blocks. Throws std::system_error: resource_unavailable_try_again (no memory for
// the stack), invalid_argument (stack_size below 16 KiB or beyond 1 GiB); std::bad_alloc.
template <typename F, typename... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(spawn_options options, F&& f, Args&&... args)
    -> fiber<std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>> {
  using T = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;
  using state = detail::spawned<T, std::decay_t<F>, std::decay_t<Args>...>;
  detail::register_exceptions();
  auto made =
      std::make_shared<state>(std::in_place, std::forward<F>(f), std::forward<Args>(args)...);
  made->own = made;
  char name[16] = {};
  options.name.copy(name, sizeof name - 1);
  vervet_spawn_options raw{};
  raw.size = sizeof raw;
  raw.stack_size = options.stack_size;
  raw.name = name;
  int error = vervet_spawn(&made->handle, &raw, &state::enter, made.get());
  if (error != 0) {
    made->own.reset();
    detail::throw_error(error, "vervet: spawn");
  }
  return fiber<T>(std::move(made));
}

template <typename F, typename... Args>
requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
auto spawn(F&& f, Args&&... args) {
  return spawn(spawn_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

namespace detail {

template <typename R>
concept fiber_range = std::ranges::input_range<R> && requires(std::ranges::range_reference_t<R> f) {
  { f.native_handle() } -> std::same_as<vervet_fiber*>;
};

template <fiber_range Range>
bool join_each(Range&& fibers, deadline until) {
  for (auto&& f : fibers) {
    vervet_fiber* handle = f.native_handle();
    if (handle == nullptr) continue;
    int error = vervet_join(handle, nullptr, until.monotonic());
    if (error == ETIMEDOUT) return false;
    if (error != 0) throw_wait_error(error, "vervet: joinall");
  }
  return true;
}

}  // namespace detail

// joinall() waits until all fibers have ended: a range of handles, or handles one by one. Empty
// handles are passed over. Returns whether all have ended by `until`. It never throws a fiber's
// exception (get() does); otherwise throws what join() throws. Handles one by one with a deadline stand in braces:
// joinall({a, b}, 100ms).
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

}  // namespace vervet
