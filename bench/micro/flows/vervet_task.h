// vervet's C++20 tasks.
#pragma once

#include <vervet/event.hpp>
#include <vervet/task.hpp>

struct coroutines {
  static constexpr const char* subject = "vervet_task";
  using task = vervet::task<>;
  using handle = vervet::running<>;

  static void run(task t) { vervet::start(std::move(t)).get(); }
  static handle start(task t) { return vervet::start(std::move(t)); }
  static auto& join(handle& h) { return h; }
  using event = vervet::event;

  static auto yield() { return vervet::after(vervet::deadline(std::chrono::nanoseconds(0))); }
};
