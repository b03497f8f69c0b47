// What vervet's own calls throw.
#pragma once

#include <cerrno>
#include <system_error>

#include <vervet/vervet.h>

namespace vervet {

// Thrown by a wait that certainly never ends: a fiber that waits for itself; or, when all fibers of
// the host wait without a timeout for each other to end, into the host's own flow. Inside run():
// into run()'s function, or any fiber once that has ended. The others stay as they are.
class would_block_forever : public std::system_error {
 public:
  would_block_forever()
      : std::system_error(EDEADLK, std::generic_category(), "vervet: would block forever") {}
};

namespace detail {

[[noreturn]] inline void throw_error(int error, const char* what) {
  if (error == EDEADLK) throw would_block_forever();
  throw std::system_error(error, std::generic_category(), what);
}

}  // namespace detail
}  // namespace vervet
