// What watchers and posted functions share: whose they are, and how their callbacks end. Not for
// direct use.
#pragma once

#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

#include <vervet/abi.h>
#include <vervet/error.hpp>

namespace vervet::detail {

// An address that tells the calling identity, an OS thread or a full fiber, from all others alive:
// light fibers share their host's.
inline const void* identity_here() noexcept {
  static thread_local const char mark = 0;
  return &mark;
}

// For what only the thread that made it may use.
class bound_to_thread {
 public:
  bool is_here() const noexcept { return made_by_ == identity_here(); }
  void check(const char* who) const {
    if (!is_here())
      throw std::logic_error(std::string("vervet: ") + who +
                             ": used on another thread than its hub's");
  }

 private:
  const void* made_by_ = identity_here();
};

// One line on stderr, as of a fiber that ended so: `what` ("callback", "task") was left by `error`.
// A cut is no error.
inline void report_uncaught_in(const char* what, std::exception_ptr error) noexcept {
  try {
    std::rethrow_exception(std::move(error));
  } catch (const cut_short&) {
  } catch (const std::exception& known) {
    std::fprintf(stderr, "vervet: a %s ended with an uncaught exception: %s\n", what, known.what());
  } catch (...) {
    std::fprintf(stderr,
                 "vervet: a %s ended with an uncaught exception: of a type not derived from "
                 "std::exception\n",
                 what);
  }
}

// Calls f(args...); what it throws is reported. What libc unwinds with (pthread_exit) goes on.
template <typename F, typename... Args>
void call_reported(const char* what, F&& f, Args&&... args) {
  try {
    std::forward<F>(f)(std::forward<Args>(args)...);
  } catch (...) {
    std::exception_ptr error = std::current_exception();
    if (!error) throw;
    report_uncaught_in(what, std::move(error));
  }
}

}  // namespace vervet::detail
