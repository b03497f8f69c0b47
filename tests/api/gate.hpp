// What the tests wait for: the least that has a queue of waiters, and a count of live objects.
#pragma once

#include <atomic>
#include <mutex>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/time.hpp>

namespace test {

class gate {
 public:
  bool wait(vervet::deadline until = {}) {
    std::unique_lock guard(lock_);
    return open_ || queue_.wait(guard, until.monotonic());
  }
  void open() {
    std::lock_guard guard(lock_);
    open_ = true;
    queue_.wake_all();
  }
  bool observe(vervet::detail::waiter& w) {
    std::lock_guard guard(lock_);
    if (!open_) queue_.push(w);
    return !open_;
  }
  void unobserve(vervet::detail::waiter& w) {
    std::lock_guard guard(lock_);
    queue_.remove(w);
  }
  bool has_waiters() {
    std::lock_guard guard(lock_);
    return !queue_.empty();
  }

 private:
  vervet::detail::guard_lock lock_;
  vervet::detail::wait_queue queue_;
  bool open_ = false;
};

struct counted {
  static inline std::atomic<int> alive{0};
  counted() { ++alive; }
  counted(const counted&) { ++alive; }
  ~counted() { --alive; }
};

}  // namespace test
