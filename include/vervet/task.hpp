// Tasks: C++20 coroutines, without a stack of their own, beside fibers on the same hub.
//
//     vervet::task<std::string> ask(int fd) {
//       co_await vervet::async_write(fd, "hello\n"sv);
//       char answer[100];
//       std::size_t size = co_await vervet::async_read(fd, answer);
//       co_return std::string(answer, size);
//     }
//     vervet::running<std::string> asked = vervet::start(ask(fd));  // runs while this thread waits
//     std::string answer = asked.get(5s);                           // in a fiber
//     std::string again = co_await vervet::start(ask(fd));          // in a task
//
// What tasks can await stands in await.hpp (time, descriptors, events, fibers …), several at once
// in when_all.hpp. A task costs its frame, some hundred bytes; a fiber its stack, some KiB, and any
// function can wait in it.
#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/detail/coroutine.hpp>
#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {

template <typename T = void>
class task;

namespace detail {

// Where the coroutine of a task<T> leaves its end; with whoever awaits it.
template <typename T>
struct task_end {
  result<T> value;
  std::exception_ptr error;
};

struct task_promise_base {
  coroutine_root* root = nullptr;
  std::coroutine_handle<> awaiting;                       // null: the root's outermost
  void (*at_end)(task_promise_base&) noexcept = nullptr;  // of the outermost

  struct final_step {
    bool await_ready() const noexcept { return false; }
    template <typename Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      task_promise_base& promise = ended.promise();
      if (promise.awaiting) return promise.awaiting;
      promise.at_end(promise);
      return std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };

  std::suspend_always initial_suspend() const noexcept { return {}; }
  final_step final_suspend() const noexcept { return {}; }
};

template <typename T>
struct task_promise_of : task_promise_base {
  task_end<T>* to = nullptr;

  void unhandled_exception() {
    to->error = std::current_exception();
    if (!to->error) throw;  // libc's own unwinding
  }
};

template <typename T>
struct task_promise : task_promise_of<T> {
  task<T> get_return_object() noexcept;

  template <typename From>
  requires std::convertible_to<From&&, T>
  void return_value(From&& from) {
    this->to->value.fill([&]() -> From&& { return std::forward<From>(from); });
  }
};

template <>
struct task_promise<void> : task_promise_of<void> {
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

// What can be awaited in a task alone.
template <typename Promise>
concept in_task = std::derived_from<Promise, task_promise_base>;

template <typename T>
struct task_awaiter {
  std::coroutine_handle<task_promise<T>> frame;
  task_end<T> end;

  bool await_ready() const noexcept { return false; }
  template <in_task Promise>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> by) noexcept {
    task_promise<T>& promise = frame.promise();
    promise.root = by.promise().root;
    promise.awaiting = by;
    promise.to = &end;
    return frame;
  }
  T await_resume() {
    if (end.error) std::rethrow_exception(std::move(end.error));
    return end.value.take();
  }
};

template <typename T>
class started;

}  // namespace detail

// A coroutine that has not begun: lazy. It runs when it is awaited, as a part of the awaiting one,
// or given to start(); its frame dies with the task. It ends with co_return, T's value; an
// exception that leaves it is thrown at the co_await.
//
// Each co_await of one task by another switches straight to it and back, on no stack (compiled with
// optimisation; without, GCC nests the calls).
// Guards that belong to a flow (timeout, shield, stop_scope, lock guards of a mutex that fibers
// own) must not stand across a co_await: another flow goes on. For time there is with_timeout() of
// when_all.hpp.
// Movable, not copyable. Awaited once, as an rvalue.
template <typename T>
class [[nodiscard]] task {
 public:
  using result_type = T;
  using promise_type = detail::task_promise<T>;

  task() = default;
  task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    task old(std::move(*this));
    frame_ = std::exchange(other.frame_, nullptr);
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  // False if it is empty: moved from.
  explicit operator bool() const noexcept { return frame_ != nullptr; }

  // Throws std::logic_error if it is empty or has been awaited.
  auto operator co_await() && {
    check();
    return detail::task_awaiter<T>{frame_, {}};
  }

 private:
  friend promise_type;
  friend class detail::started<T>;

  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  void check() const {
    if (!frame_ || frame_.promise().to != nullptr)
      throw std::logic_error("vervet: an empty task, or one awaited before");
  }

  std::coroutine_handle<promise_type> frame_;
};

namespace detail {

template <typename T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

// A root whose outermost coroutine is a task<T>'s.
template <typename T>
class started final : public coroutine_root {
 public:
  explicit started(task<T>& t) : coroutine_root(t.frame_) {
    task_promise<T>& promise = std::exchange(t.frame_, nullptr).promise();
    promise.root = this;
    promise.to = &end_;
    promise.at_end = [](task_promise_base& base) noexcept {
      auto& self = static_cast<started&>(*base.root);
      self.returned(std::move(self.end_.error));
    };
  }
  static void check(const task<T>& t) { t.check(); }

  result<T>& value() noexcept { return end_.value; }

 private:
  using coroutine_root::returned;
  void returned(std::exception_ptr error) noexcept {
    bool cancelled = false;
    if (error) {
      try {
        std::rethrow_exception(error);
      } catch (const fiber_exit&) {
        cancelled = true;
      } catch (...) {
      }
    }
    returned(std::move(error), cancelled);
  }

  task_end<T> end_;
};

}  // namespace detail

// A handle to a started task. Copies name the same; a running<void> can be made from any
// running<T>: its get() only rethrows. Dropping handles neither ends nor awaits it; an exception
// that nobody has asked for by then is reported on stderr.
//
// It can be joined by fibers, OS threads and tasks of any hub, and stands in wait(), iwait() and
// co_await as a fiber does.
// Thread safety: calls through different handles from any threads; one handle object as any object.
// REQUIRES, for every call but operator bool: the handle is not empty.
template <typename T = void>
class running {
 public:
  using result_type = T;
  using kept = typename detail::result<T>::kept;  // const T&; T& and void as they are

  running() = default;
  running(const running& other) noexcept : root_(other.root_) {
    if (root_ != nullptr) root_->retain();
  }
  running(running&& other) noexcept : root_(std::exchange(other.root_, nullptr)) {}
  // A running<void> that names the same task as `other`.
  template <typename Other>
  requires(std::is_void_v<T> && !std::is_void_v<Other>) running(const running<Other>& other)
  noexcept  // NOLINT: implicit, as fiber<>
      : root_(other.root_) {
    if (root_ != nullptr) root_->retain();
  }
  running& operator=(running other) noexcept {
    std::swap(root_, other.root_);
    return *this;
  }
  ~running() {
    if (root_ != nullptr) root_->release();
  }

  // join() waits until it has ended, however; never throws its exception. Returns whether it has by
  // `until`. Blocks the calling fiber, or the OS thread if it hosts no living fiber; within a task
  // it is a wait of the fiber that runs it, which delays no other task, but co_await costs no
  // fiber. Throws would_block_forever; cut_short; std::system_error (owner_dead) if the task's
  // thread has ended before it.
  bool join(deadline until = {}) const { return root_->join(until.monotonic()); }

  // get() joins, then returns the task's value or throws its exception, each time it is called; of
  // a cancelled one fiber_exit. The reference lives as long as a handle. Throws timed_out; what
  // join() throws.
  kept get(deadline until = {}) const& {
    await_end(until);
    if constexpr (!std::is_void_v<T>) return value().look();
  }
  // On a handle that is given up, start(t).get(): moves the value out.
  T get(deadline until = {}) && {
    await_end(until);
    if constexpr (!std::is_void_v<T>) return value().take();
  }

  // How it stands; these never block: whether it has ended; with a value; by fiber_exit, or before
  // it began; its exception, null if there is none.
  bool ready() const noexcept { return root_->ended(); }
  bool successful() const noexcept { return ready() && !root_->error(); }
  bool cancelled() const noexcept { return ready() && root_->was_cancelled(); }
  std::exception_ptr exception() const noexcept {
    if (!ready()) return nullptr;
    root_->collect();
    return root_->error();
  }

  // cancel() has the co_await that the task is in, or its next one, throw fiber_exit, which it may
  // catch, and go on. One that has not begun never does. A task that waits in the way of fibers is
  // told at its next co_await. Never blocks; any thread. Returns whether it had not ended.
  bool cancel() const noexcept {
    if (ready()) return false;
    root_->cancel();
    return true;
  }

  // False for an empty handle.
  explicit operator bool() const noexcept { return root_ != nullptr; }
  friend bool operator==(const running&, const running&) = default;

  // For wait(), iwait() and co_await.
  bool observe(detail::waiter& w) const noexcept { return root_->observe(w); }
  void unobserve(detail::waiter& w) const noexcept { root_->unobserve(w); }

 private:
  template <typename Other>
  friend class running;
  template <typename Result>
  friend running<Result> start(task<Result> t);

  explicit running(detail::coroutine_root* root) noexcept : root_(root) {}

  void await_end(deadline until) const {
    if (!root_->join(until.monotonic())) throw timed_out("vervet: get of a task");
    root_->rethrow();
  }
  auto& value() const noexcept { return static_cast<detail::started<T>*>(root_)->value(); }

  detail::coroutine_root* root_ = nullptr;
};

// start() has the task run on the calling thread's hub. Not now: as spawn(), when the caller waits,
// in the order of their starts; from then on it runs whenever what it awaits is ready, in a fiber
// that the hub's tasks share. For another thread's hub:
//     home.spawn([](task<int> t) { return start(std::move(t)).get(); }, fetch())
// When the thread ends before it, it never goes on (see join()); its frame is not destroyed.
// Never blocks. Throws std::logic_error (an empty task, or one awaited before), std::bad_alloc.
template <typename T>
running<T> start(task<T> t) {
  detail::started<T>::check(t);
  auto* made = new detail::started<T>(t);
  made->start();
  return running<T>(made);
}

}  // namespace vervet

#include <vervet/await.hpp>
#include <vervet/when_all.hpp>
