// A bare heap: no clock is read, nobody is woken.
#pragma once

#include <vector>

#include "bench/micro/bare_heap.h"

class timers {
 public:
  static constexpr const char* subject = "limit";
  static constexpr bool sleeps = false;

  explicit timers(std::size_t count) : nodes_(count) {}
  void set(std::size_t i, int64_t when) { heap_.add(nodes_[i], when); }
  void cancel(std::size_t i) { heap_.remove(nodes_[i]); }
  void settle() {}
  void wait(int64_t until) {
    for (; !heap_.empty() && heap_.earliest() <= until; ++fired_) heap_.pop();
  }
  int64_t fired() const { return fired_; }

 private:
  std::vector<bare::timer> nodes_;
  bare::heap heap_;
  int64_t fired_ = 0;
};
