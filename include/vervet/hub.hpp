// Hubs: how other threads reach the fibers of a thread.
//
//     vervet::hub home = vervet::hub::here();
//     std::thread worker([home] {
//       home.post([] { std::puts("on the first thread"); });  // call_soon_threadsafe
//       int sum = home.spawn(add_up).get();                   // run_coroutine_threadsafe
//     });
//
// Nothing runs a hub for its own sake: it runs when its thread waits, in any call of vervet.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/callback.hpp>
#include <vervet/error.hpp>
#include <vervet/fiber.hpp>
#include <vervet/outcome.hpp>
#include <vervet/watchers.hpp>

namespace vervet {
namespace detail {

template <typename F>
struct posted : vervet_watcher {
  F f;

  template <typename From>
  explicit posted(From&& from) : vervet_watcher{}, f(std::forward<From>(from)) {
    callback = [](vervet_watcher* raw, unsigned) {
      std::unique_ptr<posted> self(static_cast<posted*>(raw));
      call_reported("posted function", std::move(self->f));
    };
  }
};

}  // namespace detail

// A handle to the hub of an OS thread, or of the full fiber that hosts light ones. Copies name the
// same hub; an empty one may only be assigned to, compared and destroyed.
//
// Thread safety: calls through one handle object from any threads, if none of them changes it.
// Lifetime: it keeps no thread alive. When the hub's thread has ended, post() and spawn() throw
// std::system_error (no_such_process); what was given to it before and has not begun never does,
// and is not destroyed.
class hub {
 public:
  hub() = default;
  hub(const hub& other) noexcept : handle_(other.handle_) {
    if (handle_ != nullptr) vervet_hub_retain(handle_);
  }
  hub(hub&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  hub& operator=(hub other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~hub() {
    if (handle_ != nullptr) vervet_hub_release(handle_);
  }

  // The calling thread's. Never blocks. Throws std::bad_alloc.
  static hub here() {
    hub made;
    made.handle_ = vervet_hub_here();
    if (made.handle_ == nullptr) throw std::bad_alloc();
    return made;
  }

  // post() has f() called on the hub soon, in a fiber, so that it may wait; functions begin in the
  // order in which they were posted (asyncio's call_soon_threadsafe; gevent has none that is safe),
  // but spawned fibers may overtake them.
  // What f throws is reported on stderr: for results there is spawn(). The memory for f is all it
  // takes, no stack as long as f does not wait.
  // Never blocks. Any thread. Throws std::system_error (no_such_process), std::bad_alloc.
  template <typename F>
  requires std::invocable<std::decay_t<F>>
  void post(F&& f) const {
    detail::register_exceptions();
    auto made = std::make_unique<detail::posted<std::decay_t<F>>>(std::forward<F>(f));
    if (int error = vervet_hub_post(handle_, made.get()))
      detail::throw_error(error, "vervet: hub: post");
    made.release();
  }

  // spawn() makes a light fiber there, otherwise as vervet::spawn() (asyncio's
  // run_coroutine_threadsafe): the handle joins and gets across threads. On the hub's own thread it
  // is spawn(). options.kind and options.hub are not looked at.
  // Never blocks. Any thread. Throws std::system_error (no_such_process); what spawn() throws.
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(spawn_options options, F&& f, Args&&... args) const {
    options.hub = handle_;
    options.kind = fiber_kind::light;
    return vervet::spawn(options, std::forward<F>(f), std::forward<Args>(args)...);
  }
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(F&& f, Args&&... args) const {
    return spawn(spawn_options{}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  // False for an empty handle.
  explicit operator bool() const noexcept { return handle_ != nullptr; }
  friend bool operator==(const hub&, const hub&) = default;

  // For the C interface; valid as long as this. Null for an empty handle.
  vervet_hub* native_handle() const noexcept { return handle_; }

 private:
  vervet_hub* handle_ = nullptr;
};

}  // namespace vervet
