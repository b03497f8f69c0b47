// How fibers are made: spawn, spawn_later. Included by fiber.hpp.
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/fiber_state.hpp>
#include <vervet/error.hpp>
#include <vervet/fiber.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {

// The two kinds of fibers, and what to choose by.
enum class fiber_kind {
  usual,  // full inside run(), light elsewhere
  light,  // of the calling thread; runs while that waits
  full,   // inside run() only: a thread's identity, any worker
};

// How to spawn: spawn({.stack_size = 1 << 20, .name = "resolver"}, f).
struct spawn_options {
  std::size_t stack_size = 0;  // bytes, guard page included; 0: 64 KiB, inside run() 256 KiB
  std::string_view name = {};  // for messages; its first 15 bytes are copied
  fiber_kind kind = fiber_kind::usual;  // light or full
  unsigned worker = 0;  // full: n > 0 queues it on the n-th worker first; others may take it
  deadline start = std::chrono::steady_clock::time_point{};  // not before
  vervet_hub* hub = nullptr;  // light: on this hub, of whichever thread; null: the caller's
};

namespace detail {

// As std::jthread does: a callable that takes a std::stop_token first, gets one.
template <typename F, typename... Args>
concept takes_token = std::invocable<F, std::stop_token, Args...>;
template <typename F, typename... Args>
concept spawnable = takes_token<std::decay_t<F>, std::decay_t<Args>...> ||
    std::invocable<std::decay_t<F>, std::decay_t<Args>...>;

template <typename F, typename... Args>
struct spawn_result : std::invoke_result<F, Args...> {};
template <typename F, typename... Args>
requires takes_token<F, Args...>
struct spawn_result<F, Args...> : std::invoke_result<F, std::stop_token, Args...> {
};
template <typename F, typename... Args>
using spawn_result_t = typename spawn_result<std::decay_t<F>, std::decay_t<Args>...>::type;

template <typename T, typename F, typename... Args>
struct spawned : outcome<T, fiber_state> {
  std::optional<std::tuple<F, Args...>> call;  // dies with the fiber, not with its handles
  std::shared_ptr<spawned> own;                // the fiber's share, until it runs

  template <typename... From>
  explicit spawned(std::in_place_t, From&&... from)
      : call(std::in_place, std::forward<From>(from)...) {
    if constexpr (takes_token<F, Args...>) this->stop = std::stop_source();
  }

  T invoke() {
    return std::apply(
        [&stop = this->stop](F&& f, Args&&... args) -> T {
          static_cast<void>(stop);
          if constexpr (takes_token<F, Args...>)
            return std::invoke(std::move(f), stop.get_token(), std::forward<Args>(args)...);
          else
            return std::invoke(std::move(f), std::forward<Args>(args)...);
        },
        std::move(*call));
  }

  // Also when pthread_exit() unwinds. Nothing cuts the waits of the destructors that run here.
  struct ending {
    const std::shared_ptr<spawned>& of;
    ~ending() {
      vervet_scope shield{};
      shield.deadline = VERVET_NEVER;
      shield.flags = VERVET_SCOPE_SHIELD;
      vervet_scope_enter(&shield);
      of->call.reset();
      fiber_state::end(of);
      vervet_scope_leave(&shield);
    }
  };

  static void* enter(void* argument) {
    std::shared_ptr<spawned> self = std::move(static_cast<spawned*>(argument)->own);
    ending at_end{self};
    self->begin();
    self->run([&]() -> T { return self->invoke(); });
    return nullptr;
  }

  // It was killed before it began.
  static void discard(void* argument) {
    std::shared_ptr<spawned> self = std::move(static_cast<spawned*>(argument)->own);
    ending at_end{self};
    self->begin();
    self->cancelled = true;
    self->error = fiber_state::take_kill(static_cast<fiber_state*>(self.get()));
    if (!self->error) self->error = std::make_exception_ptr(fiber_exit());
  }
};

}  // namespace detail

// spawn() makes a fiber that calls f(args...), all copied or moved into it as std::thread does;
// they are destroyed when it ends. If f can take a std::stop_token before its arguments it gets
// one, as from std::jthread: kill() requests its stop. It does not run now: it stands at the end of
// the queue and its turn comes when the caller waits (join, get, sleep, yield), fibers in the order
// they were spawned. Inside run() it is a full fiber, with a thread's identity, and starts when a
// worker is free.
//
// An exception that leaves f ends the fiber alone: get() rethrows it. Unless somebody waits at that
// moment to be told (get, gather, joinall with raise_error, link_exception), one line on stderr
// tells of it: "vervet: fiber 3 (name) ended with an uncaught exception: …". fiber_exit is none.
// What libc unwinds with (pthread_exit) is not an exception; a light fiber must not call
// pthread_exit.
//
// Any thread. Never blocks. Throws std::system_error: resource_unavailable_try_again (no memory for
// the stack), invalid_argument (stack_size below 16 KiB or beyond 1 GiB; a full one outside of
// run()); std::bad_alloc.
template <typename F, typename... Args>
requires detail::spawnable<F, Args...>
auto spawn(spawn_options options, F&& f, Args&&... args)
    -> fiber<detail::spawn_result_t<F, Args...>> {
  using T = detail::spawn_result_t<F, Args...>;
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
  raw.kind = options.kind == fiber_kind::light  ? VERVET_LIGHT
             : options.kind == fiber_kind::full ? VERVET_FULL
                                                : VERVET_DEFAULT;
  raw.worker = options.worker;
  raw.start = options.start.monotonic();
  raw.hub = options.hub;
  raw.discard = &state::discard;
  int error = vervet_spawn(&made->handle, &raw, &state::enter, made.get());
  if (error != 0) {
    made->own.reset();
    detail::throw_error(error, "vervet: spawn");
  }
  return detail::fiber_access::make<T>(std::move(made));
}

// The same with the default options.
template <typename F, typename... Args>
requires detail::spawnable<F, Args...>
auto spawn(F&& f, Args&&... args) {
  return spawn(spawn_options{}, std::forward<F>(f), std::forward<Args>(args)...);
}

// spawn_later() makes a fiber that begins when `start`, a duration from now or a time point, has
// come. Killed before, it never runs.
template <typename F, typename... Args>
requires detail::spawnable<F, Args...>
auto spawn_later(deadline start, F&& f, Args&&... args) {
  return spawn({.start = start}, std::forward<F>(f), std::forward<Args>(args)...);
}

namespace detail {

template <typename T, typename Callback>
struct link_of final : link_node {
  Callback callback;

  template <typename From>
  explicit link_of(From&& from) : callback(std::forward<From>(from)) {}

  void begin(std::unique_ptr<link_node> self,
             std::shared_ptr<fiber_state> ended) noexcept override {
    try {
      // The link dies first: it counts among the collectors of `ended`.
      spawn([ended = std::move(ended), link = std::move(self)] {
        std::invoke(static_cast<link_of&>(*link).callback, fiber_access::make<T>(ended));
      });
    } catch (const std::exception& no_memory) {
      vervet_report_uncaught(no_memory.what());
    }
  }
};

}  // namespace detail

template <typename T>
template <typename Callback>
fiber_link fiber<T>::add_link(detail::link_kind kind, Callback&& callback) const {
  auto made = std::make_unique<detail::link_of<T, std::decay_t<Callback>>>(
      std::forward<Callback>(callback));
  made->kind = kind;
  if (kind == detail::link_kind::exception) made->collects.emplace(*state_);
  fiber_link handle(state_, made.get());
  detail::link_list one;
  one.push_back(std::move(made));
  {
    std::lock_guard guard(state_->lock);
    if (!ready()) {
      state_->links.splice(state_->links.end(), one);
      return handle;
    }
  }
  detail::fiber_state::begin_links(one, state_);
  return handle;
}

}  // namespace vervet
