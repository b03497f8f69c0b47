// An event for those who have none: a lock, a condition, a flag.
#pragma once

#include <mutex>

template <typename Mutex, typename Condition>
class condition_event {
 public:
  void wait() {
    std::unique_lock guard(mutex_);
    while (!set_) changed_.wait(guard);
  }
  void set() {
    std::unique_lock guard(mutex_);
    set_ = true;
    changed_.notify_all();
  }

 private:
  Mutex mutex_;
  Condition changed_;
  bool set_ = false;
};
