// What vervet's own calls throw.
#pragma once

#include <cerrno>
#include <exception>
#include <string>
#include <system_error>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/flow_local.hpp>

namespace vervet {

// Thrown by a wait that certainly never ends: a fiber that waits for itself; or, when all fibers of
// the host wait without a timeout for each other, into the host's own flow. Inside run(): into
// run()'s function, or any fiber once that has ended. The others stay as they are.
class would_block_forever : public std::system_error {
 public:
  would_block_forever()
      : std::system_error(EDEADLK, std::generic_category(), "vervet: would block forever") {}
};

// Thrown by calls that return a value, when their own deadline has passed before there is one.
class timed_out : public std::system_error {
 public:
  // what: the call, for people.
  explicit timed_out(const char* what)
      : std::system_error(ETIMEDOUT, std::generic_category(), what) {}
};

// The base of what is thrown into a fiber from outside of the call that it waits in: a kill, a
// timeout around it, a stop. As in gevent and asyncio it is no std::exception, so that code which
// catches those to log and go on does not swallow it.
class cut_short {
 public:
  virtual ~cut_short() = default;
  // For people; never null.
  virtual const char* what() const noexcept = 0;

 protected:
  cut_short() = default;
  cut_short(const cut_short&) = default;
  cut_short& operator=(const cut_short&) = default;
};

// What kill() throws into a fiber, unless it is told otherwise (gevent's GreenletExit). A fiber
// that ends with it was cancelled: that is not an error, and not reported.
class fiber_exit : public cut_short {
 public:
  const char* what() const noexcept override { return "vervet: the fiber was killed"; }
};

namespace detail {

[[noreturn]] inline void throw_error(int error, const char* what) {
  if (error == EDEADLK) throw would_block_forever();
  throw std::system_error(error, std::generic_category(), what);
}

// Throws what is due for the calling flow, if anything is: an expired timeout, a stop, a kill.
inline void throw_if_cut() {
  int due = 0;
  vervet_scope* scope = vervet_take_cut(&due);
  if (due == 0) return;
  if (scope != nullptr && scope->raise != nullptr) scope->raise(scope);
  flow_locals* own = flow_locals_if_any();
  if (scope == nullptr && own != nullptr && own->take_kill != nullptr) {
    std::exception_ptr given = own->take_kill(own->owner);
    if (given) std::rethrow_exception(given);
  }
  throw fiber_exit();
}

// After a wait of the C interface has returned ECANCELED: throws what was the reason.
[[noreturn]] inline void throw_cut() {
  throw_if_cut();
  throw fiber_exit();
}

// For every wait but ETIMEDOUT, which callers know better.
[[noreturn]] inline void throw_wait_error(int error, const char* what = "vervet: wait") {
  if (error == ECANCELED) throw_cut();
  throw_error(error, what);
}

}  // namespace detail
}  // namespace vervet
