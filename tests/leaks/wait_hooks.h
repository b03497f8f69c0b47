// Counts the waits of one flow and kills it at the k-th. The linker routes this program's calls of
// the C interface that wait through here (--wrap), so every wait of the headers is seen.
#pragma once

#include <vervet/fiber.hpp>

namespace test {

// How the k-th wait is cut.
enum class strike {
  before,  // the kill is noted when the wait begins
  during,  // by another fiber, once the victim has parked (or the wait has just ended)
};

// While one lives, the k-th wait of the fiber that calls watch_me() is cut. One at a time.
class kth_wait {
 public:
  kth_wait(unsigned k, strike how);
  kth_wait(const kth_wait&) = delete;
  kth_wait& operator=(const kth_wait&) = delete;
  ~kth_wait();

  void watch_me();
  // Whether there was a k-th wait.
  bool was_reached() const;

 private:
  vervet::fiber<> killer_;
};

}  // namespace test
