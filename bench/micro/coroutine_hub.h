// The limit without stacks: C++20 coroutines with an intrusive run queue. Whoever suspends goes
// straight to the next one (symmetric transfer).
#pragma once

#include <coroutine>
#include <exception>
#include <utility>

#include "bench/micro/fail.h"

namespace stackless {

// In the run queue: a coroutine that can go on.
struct runnable {
  std::coroutine_handle<> coroutine;
  runnable* next = nullptr;
};

struct hub {
  runnable* first = nullptr;
  runnable** last = &first;
};
inline hub here;

inline void ready(runnable& r) {
  r.next = nullptr;
  *here.last = &r;
  here.last = &r.next;
}

// To whom the one that suspends gives way; to run() if there is nobody.
inline std::coroutine_handle<> next() {
  runnable* r = here.first;
  if (r == nullptr) return std::noop_coroutine();
  here.first = r->next;
  if (here.first == nullptr) here.last = &here.first;
  return r->coroutine;
}

// Lazy. Awaited by another one, or given to start().
class task {
 public:
  struct promise_type {
    std::coroutine_handle<> awaiting;
    runnable own;
    runnable* joiner = nullptr;
    bool ended = false;

    task get_return_object() { return task(handle::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    auto final_suspend() const noexcept {
      struct step {
        bool await_ready() const noexcept { return false; }
        std::coroutine_handle<> await_suspend(handle ended) const noexcept {
          promise_type& promise = ended.promise();
          if (promise.awaiting) return promise.awaiting;
          promise.ended = true;
          if (promise.joiner != nullptr) ready(*promise.joiner);
          return next();
        }
        void await_resume() const noexcept {}
      };
      return step{};
    }
    void return_void() const noexcept {}
    void unhandled_exception() { std::terminate(); }
  };
  using handle = std::coroutine_handle<promise_type>;

  task() = default;
  task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    std::swap(frame_, other.frame_);
    return *this;
  }
  ~task() {
    if (frame_) frame_.destroy();
  }

  auto operator co_await() && {
    struct step {
      handle frame;
      bool await_ready() const noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> by) noexcept {
        frame.promise().awaiting = by;
        return frame;
      }
      void await_resume() const noexcept {}
    };
    return step{frame_};
  }

  void start() {
    frame_.promise().own.coroutine = frame_;
    ready(frame_.promise().own);
  }
  bool ended() const { return frame_.promise().ended; }

  // co_await t.join(): until it has ended.
  auto join() {
    struct step {
      promise_type& promise;
      runnable own;
      bool await_ready() const noexcept { return promise.ended; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<> by) noexcept {
        own.coroutine = by;
        promise.joiner = &own;
        return next();
      }
      void await_resume() const noexcept {}
    };
    return step{frame_.promise(), {}};
  }

 private:
  explicit task(handle frame) : frame_(frame) {}
  handle frame_;
};

// co_await yield{}: everybody else has a turn first.
struct yield {
  runnable own;
  bool await_ready() const noexcept { return here.first == nullptr; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> by) noexcept {
    own.coroutine = by;
    ready(own);
    return next();
  }
  void await_resume() const noexcept {}
};

// Runs `t` and all that it starts until nobody can go on.
inline void run(task t) {
  t.start();
  next().resume();
  if (!t.ended()) fail("all coroutines are suspended");
}

}  // namespace stackless
