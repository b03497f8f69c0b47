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
  static auto yield() { return stackless::yield{}; }
};
