// Running on several cores: run.
#pragma once

#include <concepts>
#include <memory>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/vervet.h>

namespace vervet {

// How to run: run({.workers = 4}, f).
struct run_options {
  unsigned workers = 0;  // 1 to 256; 0: the CPUs this process may use
};

// run() starts n workers, calls f() in a full fiber, waits until it and every fiber spawned inside
// have ended, stops the workers, and returns what f returned or rethrows what it threw.
//
// Inside, spawn() makes full fibers: each has a thread's identity (thread_local variables, errno),
// runs on any worker, and needs the same care with shared data as a thread. Waits of this library
// let others run; a blocking libc call blocks its worker.
//
// Blocks the calling fiber or OS thread. One at a time in a process, and not under the launcher
// `vervet`, whose workers carry the program's threads: std::logic_error. Throws std::system_error:
// invalid_argument (workers), resource_unavailable_try_again.
// `f` is called where it is, not copied; it lives in the caller's scope.
template <typename F>
requires std::invocable<F&>
auto run(run_options options, F&& f) -> std::invoke_result_t<F&> {
  using T = std::invoke_result_t<F&>;
  struct call {
    std::remove_reference_t<F>* f;
    detail::outcome<T> outcome;
  } inside{std::addressof(f), {}};

  detail::register_exceptions();
  vervet_run_options raw{sizeof raw, options.workers};
  auto enter = [](void* argument) -> void* {
    auto& c = *static_cast<call*>(argument);
    c.outcome.run([&]() -> T { return (*c.f)(); });
    return nullptr;
  };
  int error = vervet_run(&raw, enter, &inside, nullptr);
  if (error == EBUSY)
    throw std::logic_error("vervet: run() while this process runs workers already");
  if (error != 0) detail::throw_error(error, "vervet: run");
  inside.outcome.rethrow();
  return inside.outcome.result.take();
}

}  // namespace vervet
