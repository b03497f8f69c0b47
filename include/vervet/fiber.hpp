// Fibers: the handle, and what belongs to it: spawn (spawn.hpp), joinall and killall (joinall.hpp).
#pragma once

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/fiber_state.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {

template <typename T>
class fiber;

namespace detail {

struct fiber_access {
  template <typename T>
  static const std::shared_ptr<fiber_state>& state(const fiber<T>& f) {
    return f.state_;
  }
  template <typename T>
  static fiber<T> make(std::shared_ptr<fiber_state> state) {
    return fiber<T>(std::move(state));
  }
};

template <typename E>
concept thrown = std::copy_constructible<std::decay_t<E>> && !std::integral<std::decay_t<E>> &&
                 !std::convertible_to<E, deadline> && !std::convertible_to<E, std::exception_ptr>;

}  // namespace detail

// What link() returns, to take the callback back. Dropping it leaves the callback linked.
class fiber_link {
 public:
  fiber_link() = default;
  fiber_link(fiber_link&&) = default;
  fiber_link& operator=(fiber_link&&) = default;

  // Returns whether the callback will never be called; false if the fiber has ended before. Never
  // blocks. Any thread.
  bool unlink() {
    std::shared_ptr<detail::fiber_state> of = of_.lock();
    const detail::link_node* which = std::exchange(which_, nullptr);
    detail::link_list unlinked;
    if (of == nullptr || which == nullptr) return false;
    std::lock_guard guard(of->lock);
    auto at = std::ranges::find_if(of->links, [&](auto& link) { return link.get() == which; });
    if (at == of->links.end()) return false;
    unlinked.splice(unlinked.end(), of->links, at);
    return true;
  }

 private:
  template <typename T>
  friend class fiber;

  fiber_link(std::weak_ptr<detail::fiber_state> of, const detail::link_node* which)
      : of_(std::move(of)), which_(which) {}

  std::weak_ptr<detail::fiber_state> of_;
  const detail::link_node* which_ = nullptr;
};

// A handle to a spawned fiber whose callable returns T.
//
// Copies name the same fiber. A fiber<void> can be made from any fiber<T>: it joins, and its get()
// only rethrows. Dropping handles neither ends nor joins the fiber.
// Thread safety: calls through different handles from any threads; one handle object as any object.
// REQUIRES, for every call but operator bool and detach: the handle is not empty.
template <typename T = void>
class fiber {
 public:
  using result_type = T;
  using kept = typename detail::result<T>::kept;  // const T&; T& and void as they are

  fiber() = default;

  // A fiber<void> that names the same fiber as `other`.
  template <typename Other>
  requires(std::is_void_v<T> && !std::is_void_v<Other>)
      fiber(const fiber<Other>& other)  // NOLINT: implicit, so that a vector<fiber<>> takes any
      : state_(other.state_) {}

  // join() waits until the fiber has ended, however it ended; never throws its exception. Returns
  // whether it has ended by `until`.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber.
  // Throws would_block_forever; cut_short; std::system_error (owner_dead) if its host thread has
  // ended.
  bool join(deadline until = {}) const {
    int error = vervet_join(state_->handle, nullptr, until.monotonic());
    if (error != 0 && error != ETIMEDOUT) detail::throw_wait_error(error, "vervet: join");
    return error == 0;
  }

  // get() joins, then returns what the callable returned or rethrows what it threw, each time it is
  // called. Of a killed fiber it throws fiber_exit (gevent's returns that as if it were a value).
  // The reference lives as long as a handle to the fiber. Throws timed_out if the fiber has not
  // ended by `until`; what join() throws; std::logic_error if pthread_exit() has ended the fiber.
  kept get(deadline until = {}) const& {
    await_outcome(until);
    if constexpr (!std::is_void_v<T>) return typed().result.look();
  }

  // On a handle that is given up, spawn(f).get(): moves the value out of the fiber. Other handles
  // find a moved-from value.
  T get(deadline until = {}) && {
    await_outcome(until);
    if constexpr (!std::is_void_v<T>) return typed().result.take();
  }

  // How it stands; these never block and may be called at any time, by any thread.
  //
  // ready(): the outcome is there, and get() waits for nothing.
  bool ready() const noexcept { return state_->done.load(std::memory_order_acquire); }
  // successful(): the callable has returned. Not of a killed fiber, other than in gevent.
  bool successful() const noexcept { return ready() && state_->filled; }
  // cancelled(): it ended by fiber_exit, or was killed before it began.
  bool cancelled() const noexcept { return ready() && state_->cancelled; }
  // exception(): what get() throws; null if it returns, or the fiber has not ended.
  std::exception_ptr exception() const noexcept { return ready() ? state_->error : nullptr; }
  // has_ended(): ready(), and the destructors of a full fiber's thread_local objects have run.
  bool has_ended() const noexcept { return vervet_has_ended(state_->handle) != 0; }

  // kill() ends the fiber by an exception, fiber_exit unless another one is given, which the wait
  // that it is in throws, or its next one. One that has not begun never does. If its callable takes
  // a std::stop_token, that is told, too.
  //
  // A request: a fiber that computes goes on until it waits; one may catch the exception and go on
  // for good; a shield postpones it. Kills that the fiber has not noticed yet are one, the
  // exception that of the last. A fiber that kills itself throws at once.
  //
  // Returns whether the fiber has ended: by `until`, for which it waits if `block`; never throws
  // the fiber's exception (gevent's three verbs have three rules). Otherwise throws what join()
  // throws. Any thread.
  bool kill(std::exception_ptr given, bool block = true, deadline until = {}) const {
    if (block && vervet_current() == state_->handle) state_->kill_itself(given);
    if (!state_->kill(std::move(given)) && ready()) return true;
    return block ? join(until) : ready();
  }
  template <detail::thrown E>
  bool kill(E&& given, bool block = true, deadline until = {}) const {
    return kill(std::make_exception_ptr(std::forward<E>(given)), block, until);
  }
  bool kill(deadline until = {}) const { return kill(std::exception_ptr(), true, until); }

  // link() has callback(fiber) called when the fiber has ended; link_value() if it returned,
  // link_exception() if it did not (killed ones included); their exceptions count as collected by
  // that. The callback gets a fiber of its own, so it may wait, on the hub of the ending one; they
  // begin in the order they were linked. If the fiber has ended already, on the caller's hub.
  // The callback dies when it has been called, is unlinked, or is not for this end.
  // Never blocks. Any thread. Throws std::bad_alloc.
  template <std::invocable<fiber> Callback>
  fiber_link link(Callback&& callback) const {
    return add_link(detail::link_kind::any, std::forward<Callback>(callback));
  }
  template <std::invocable<fiber> Callback>
  fiber_link link_value(Callback&& callback) const {
    return add_link(detail::link_kind::value, std::forward<Callback>(callback));
  }
  template <std::invocable<fiber> Callback>
  fiber_link link_exception(Callback&& callback) const {
    return add_link(detail::link_kind::exception, std::forward<Callback>(callback));
  }

  // Makes the handle empty; the fiber runs on.
  void detach() noexcept { state_ = nullptr; }

  // Its name ("" if it has none), as long as a handle lives, and its number: it is the n-th of its
  // process.
  std::string_view name() const noexcept { return vervet_name(state_->handle); }
  std::uint64_t number() const noexcept { return vervet_number(state_->handle); }

  // False for an empty handle.
  explicit operator bool() const noexcept { return state_ != nullptr; }
  friend bool operator==(const fiber&, const fiber&) = default;

  // For the C interface; valid as long as a handle to the fiber. Null for an empty handle.
  vervet_fiber* native_handle() const noexcept { return state_ ? state_->handle : nullptr; }

  // For wait() and its like: detail/observation.hpp.
  bool observe(detail::waiter& w) const {
    std::lock_guard guard(state_->lock);
    if (ready()) return false;
    state_->waiters.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) const {
    std::lock_guard guard(state_->lock);
    state_->waiters.remove(w);
  }

 private:
  template <typename Other>
  friend class fiber;
  friend struct detail::fiber_access;

  explicit fiber(std::shared_ptr<detail::fiber_state> state) : state_(std::move(state)) {}

  void await_outcome(deadline until) const {
    if (!ready()) {
      detail::collecting its_exception(*state_);
      if (!join(until) && !ready()) throw timed_out("vervet: get");
    }
    state_->rethrow();
  }

  template <typename Callback>
  fiber_link add_link(detail::link_kind kind, Callback&& callback) const;  // spawn.hpp

  auto& typed() const { return static_cast<detail::outcome<T, detail::fiber_state>&>(*state_); }

  std::shared_ptr<detail::fiber_state> state_;  // an outcome<T>'s, or any type's if T is void
};

}  // namespace vervet

#include <vervet/spawn.hpp>
#include <vervet/joinall.hpp>
