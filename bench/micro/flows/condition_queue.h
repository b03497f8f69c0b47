// A bounded queue for those who have none: a lock and two conditions around a ring.
#pragma once

#include <cstddef>
#include <mutex>
#include <vector>

template <typename Mutex, typename Condition>
class condition_queue {
 public:
  explicit condition_queue(std::size_t capacity) : ring_(capacity) {}

  void put(long item) {
    std::unique_lock guard(mutex_);
    while (size_ == ring_.size()) room_.wait(guard);
    ring_[(first_ + size_++) % ring_.size()] = item;
    filled_.notify_one();
  }
  long get() {
    std::unique_lock guard(mutex_);
    while (size_ == 0) filled_.wait(guard);
    long item = ring_[first_];
    first_ = (first_ + 1) % ring_.size();
    --size_;
    room_.notify_one();
    return item;
  }

 private:
  Mutex mutex_;
  Condition room_, filled_;
  std::vector<long> ring_;
  std::size_t first_ = 0, size_ = 0;
};
