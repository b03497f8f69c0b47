// A value that one flow sets and others wait for: async_result.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {

// An async_result<T> is empty until somebody sets a value or an exception, once; get() waits for it
// and returns or throws it, any number of times, to any number of flows. T may be a reference or
// void.
//
//     async_result<int> answer;
//     std::thread([&] { answer.set_value(compute()); }).detach();
//     use(answer.get(5s));
//
// Thread safety: every call from any fiber or thread; one that sets while another sets gets the
// std::logic_error. (gevent's AsyncResult was never safe between threads; asyncio's Future is not.)
// Ordering: what was done before it was set happens before the return of get() and wait().
// Lifetime: when get() or wait() has returned the outcome, the async_result may be destroyed, even
// if the call that set it has not returned. Neither copyable nor movable: share it by reference or
// std::shared_ptr.
template <typename T = void>
class async_result {
 public:
  using kept = typename detail::result<T>::kept;  // const T&; T& and void as they are

  constexpr async_result() noexcept = default;
  async_result(const async_result&) = delete;
  async_result& operator=(const async_result&) = delete;

  // set_value() makes the value from `args`: T's constructor arguments, one T& for a reference,
  // nothing for void. Wakes all who wait, in the order they came. Never blocks, unless T's
  // constructor does; if that throws, so does this, and the result stays empty.
  // Throws std::logic_error if it has been set, or is being set.
  template <typename... Args>
  requires(std::is_void_v<T> ? sizeof...(Args) == 0
                             : std::is_constructible_v<T, Args...>) void set_value(Args&&... args) {
    set([&] {
      if constexpr (std::is_reference_v<T>)
        result_.value = std::addressof(static_cast<T>(args)...);
      else if constexpr (!std::is_void_v<T>)
        result_.value.emplace(std::forward<Args>(args)...);
    });
  }

  // set_exception() has every get() throw it: an exception_ptr that is not null, or an exception.
  // Otherwise as set_value(). Throws std::invalid_argument for null.
  void set_exception(std::exception_ptr error) {
    if (!error) throw std::invalid_argument("vervet: async_result: set_exception(nullptr)");
    set([&] { error_ = std::move(error); });
  }
  template <typename Error>
  requires(!std::is_convertible_v<Error, std::exception_ptr>) void set_exception(Error&& error) {
    set_exception(std::make_exception_ptr(std::forward<Error>(error)));
  }

  // set_from() sets what source.get() returns or throws, once the source has it: a fiber, another
  // async_result. Blocks until then, and throws what that wait throws.
  template <typename Source>
  void set_from(Source&& source) {
    // Not as part of get(): what cuts this flow short is not the source's outcome.
    if constexpr (requires { source.join(); })
      source.join();
    else if constexpr (requires { source.wait(); })
      source.wait();
    set([&] {
      try {
        if constexpr (std::is_void_v<T>)
          static_cast<void>(std::forward<Source>(source).get());
        else
          result_.fill([&]() -> decltype(auto) { return std::forward<Source>(source).get(); });
      } catch (...) {
        error_ = std::current_exception();
        if (!error_) throw;  // libc's own unwinding (pthread_exit) goes on
      }
    });
  }
  // The same, so that it can be linked to a fiber: worker.link(std::ref(answer)).
  template <typename Source>
  requires requires(Source&& s) { std::forward<Source>(s).get(); }
  void operator()(Source&& source) { set_from(std::forward<Source>(source)); }

  // True once it is set, to a value or an exception. Never blocks.
  bool ready() const noexcept { return state_.load(std::memory_order_acquire) == state::ready; }
  // True once it is set to a value. Never blocks.
  bool successful() const noexcept { return ready() && !error_; }
  // What it was set to; null if that is a value, or nothing yet. Never blocks.
  std::exception_ptr exception() const noexcept { return ready() ? error_ : nullptr; }

  // wait() waits until it is set. Returns false if `until` passes first; never throws what was set.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber; not at all if it is
  // set. Throws cut_short, would_block_forever.
  bool wait(deadline until = {}) const {
    std::unique_lock guard(lock_);
    if (ready()) return true;
    return queue_.wait(guard, until.monotonic());
  }

  // get() waits as wait() does, then returns the value or throws the exception. The reference lives
  // as long as the async_result. Throws timed_out if `until` passes first (so that a get() that
  // returns has a value; gevent's does the same); what wait() throws.
  kept get(deadline until = {}) const& {
    await(until);
    if constexpr (!std::is_void_v<T>) return result_.look();
  }

  // On one that is given up, std::move(answer).get(): moves the value out.
  T get(deadline until = {}) && {
    await(until);
    if constexpr (!std::is_void_v<T>) return result_.take();
  }

  // For wait() and iwait() of wait.hpp. observe() has `w` finished when this is set; false, and
  // nothing is linked, if it is. unobserve() takes `w` back; no effect if it is not linked.
  bool observe(detail::waiter& w) const noexcept {
    std::lock_guard guard(lock_);
    if (ready()) return false;
    queue_.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) const noexcept {
    std::lock_guard guard(lock_);
    queue_.remove(w);
  }

 private:
  enum class state : std::uint8_t {
    empty,
    setting,  // somebody writes value or exception, without the lock: T's constructor may wait
    ready,    // they change no more
  };

  template <typename Write>
  void set(Write&& write) {
    state expected = state::empty;
    if (!state_.compare_exchange_strong(expected, state::setting, std::memory_order_acquire))
      throw std::logic_error("vervet: async_result: set twice");
    struct undo {
      std::atomic<state>* of;
      ~undo() {
        if (of != nullptr) of->store(state::empty, std::memory_order_release);
      }
    } unless_written{&state_};
    write();
    unless_written.of = nullptr;
    detail::wakes woken;
    std::lock_guard guard(lock_);
    state_.store(state::ready, std::memory_order_release);
    woken.add_all(queue_);
  }

  void await(deadline until) const {
    if (!wait(until)) throw timed_out("vervet: async_result: not set in time");
    if (error_) std::rethrow_exception(error_);
  }

  mutable detail::guard_lock lock_;
  mutable detail::wait_queue queue_;
  std::atomic<state> state_{state::empty};
  detail::result<T> result_;
  std::exception_ptr error_;
};

}  // namespace vervet
