// One flow at a time, over waits. Not for direct use.
#pragma once

#include <vervet/error.hpp>
#include <vervet/semaphore.hpp>
#include <vervet/time.hpp>

namespace vervet::detail {

// Holds a semaphore's one permit; first come, first served. Throws timed_out, cut_short.
class turn {
 public:
  turn(semaphore& of, deadline until, const char* what) : of_(&of) {
    if (!of.acquire(until)) throw timed_out(what);
  }
  // Only if it is nobody's: see operator bool.
  explicit turn(semaphore& of) noexcept : of_(of.try_acquire() ? &of : nullptr) {}
  ~turn() {
    if (of_ != nullptr) of_->release();
  }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;
  explicit operator bool() const noexcept { return of_ != nullptr; }

 private:
  semaphore* of_;
};

}  // namespace vervet::detail
