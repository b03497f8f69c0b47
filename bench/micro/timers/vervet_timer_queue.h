// The runtime's own queue of deadlines, from the inside.
#pragma once

#include <vector>

#include "bench/micro/fail.h"
#include "runtime/timer_queue.h"

class timers {
 public:
  static constexpr const char* subject = "vervet_timer_queue";
  static constexpr bool sleeps = false;

  explicit timers(std::size_t count) : nodes_(count) {}
  void set(std::size_t i, int64_t when) {
    if (!queue_.add(nodes_[i], when)) fail("no memory for timers");
  }
  void cancel(std::size_t i) { queue_.remove(nodes_[i]); }
  void settle() {}
  void wait(int64_t until) {
    while (queue_.pop_due(until) != nullptr) ++fired_;
  }
  int64_t fired() const { return fired_; }

 private:
  std::vector<vervet::timer_node> nodes_;
  vervet::timer_queue queue_;
  int64_t fired_ = 0;
};
