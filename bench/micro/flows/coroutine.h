// C++20 coroutines alone.
#pragma once

#include "bench/micro/coroutine_hub.h"

struct coroutines {
  static constexpr const char* subject = "coroutine";
  using task = stackless::task;
  using handle = stackless::task;

  static void run(task t) { stackless::run(std::move(t)); }
  static handle start(task t) {
    t.start();
    return t;
  }
  static auto join(handle& h) { return h.join(); }
  struct event {
    bool done = false;
    stackless::runnable* waiting = nullptr;

    void set() {
      done = true;
      while (stackless::runnable* first = waiting) {
        waiting = first->next;
        stackless::ready(*first);
      }
    }
    auto operator co_await() {
      struct step {
        event& of;
        stackless::runnable own;
        bool await_ready() const noexcept { return of.done; }
        std::coroutine_handle<> await_suspend(std::coroutine_handle<> by) noexcept {
          own = {by, of.waiting};
          of.waiting = &own;
          return stackless::next();
        }
        void await_resume() const noexcept {}
      };
      return step{*this, {}};
    }
  };

  static auto yield() { return stackless::yield{}; }
};
