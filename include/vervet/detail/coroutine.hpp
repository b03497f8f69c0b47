// Started tasks, and what a suspended one leaves behind. Not for direct use.
//
// A *root* is a started task: its coroutine and those that this awaits, of which one at a time
// runs, or is suspended by one *suspension*. Both belong to the thread of one hub, apart from what
// says otherwise.
#pragma once

#include <atomic>
#include <cerrno>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <mutex>
#include <system_error>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/callback.hpp>
#include <vervet/detail/executor.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet::detail {

class coroutine_root;

// One co_await that is not over. It lies in the coroutine's frame: awaiting allocates nothing.
class suspension : protected ready_node {
 public:
  suspension(const suspension&) = delete;
  suspension& operator=(const suspension&) = delete;

  bool await_ready() const noexcept { return false; }
  template <typename Promise>
  bool await_suspend(std::coroutine_handle<Promise> awaiting) {
    handle_ = awaiting;
    return suspend(awaiting.promise().root);
  }

  // Ends it by fiber_exit, unless somebody else is about to resume the coroutine.
  bool cut() noexcept { return give_up(woken::cut); }

 protected:
  enum class woken : std::uint8_t { ready, timed_out, cut };

  suspension() { run = arrived; }
  ~suspension() = default;

  // Looks, and begins to wait: then arrived() is called. False if there is nothing to wait for. If
  // it throws, so does the co_await.
  virtual bool begin() = 0;
  // The same after arrived(), for those who may find that somebody else was faster.
  virtual bool begin_again() { return false; }
  // True if nobody will call arrived() any more.
  virtual bool claim() noexcept { return true; }
  // After a claim(): leaves what it waited for.
  virtual void withdraw() noexcept = 0;
  // Whatever the end.
  virtual void settle() noexcept {}

  // It may be ready.
  static void arrived(ready_node& node) noexcept;
  // The deadline has passed.
  void expired() noexcept {
    if (!give_up(woken::timed_out)) late_ = true;
  }

  // In await_resume(). Returns false on timeout.
  bool resumed() {
    if (error_) std::rethrow_exception(error_);
    if (how_ == woken::cut) throw fiber_exit();
    return how_ == woken::ready;
  }

  coroutine_root& root() const noexcept { return *root_; }

 private:
  bool suspend(coroutine_root* root);
  bool give_up(woken how) noexcept;
  void wake(woken how) noexcept;

  coroutine_root* root_ = nullptr;
  std::coroutine_handle<> handle_;
  std::exception_ptr error_;
  woken how_ = woken::ready;
  bool late_ = false;
};

class coroutine_root : private ready_node {
 public:
  coroutine_root(const coroutine_root&) = delete;
  coroutine_root& operator=(const coroutine_root&) = delete;

  // Any thread.
  void retain() noexcept { shares_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (shares_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }

  // Has it begin when the calling thread waits.
  void start() {
    home_->at_end(abandon_all);
    later_ = std::exchange(home_->roots(), this);
    if (later_ != nullptr) later_->earlier_ = this;
    retain();  // until it ends
    home_->push(*this);
  }

  // Asks for fiber_exit at its co_await, or its next one. Any thread.
  void cancel() noexcept {
    unsigned before = marks_.fetch_or(cancelled_mark, std::memory_order_acq_rel);
    if (before != began_mark) return;  // asked already, or the beginning will see it
    retain();
    home_->push(*this);
  }

  // Waits for its end. Any thread, in the way of fibers.
  bool join(std::int64_t deadline) {
    std::unique_lock guard(lock_);
    if (!over() && !waiters_.wait(guard, deadline)) return false;
    if (life_.load(std::memory_order_acquire) == life::abandoned)
      throw_error(EOWNERDEAD, "vervet: a task whose thread has ended");
    return true;
  }
  bool observe(waiter& w) noexcept {
    std::lock_guard guard(lock_);
    if (over()) return false;
    waiters_.push(w);
    return true;
  }
  void unobserve(waiter& w) noexcept {
    std::lock_guard guard(lock_);
    waiters_.remove(w);
  }
  bool ended() const noexcept { return life_.load(std::memory_order_acquire) == life::ended; }

  // REQUIRES: ended().
  std::exception_ptr error() const noexcept { return error_; }
  bool was_cancelled() const noexcept { return cancelled_; }
  // Somebody looks at its exception: it is not reported.
  void collect() noexcept { collected_.store(true, std::memory_order_relaxed); }
  void rethrow() {
    collect();
    if (error_) std::rethrow_exception(error_);
  }

  // Of suspensions, on its thread. A cancellation that has not been thrown:
  bool take_cut() noexcept { return std::exchange(cut_due_, false); }
  bool cut_due() const noexcept { return cut_due_; }
  void suspended_by(suspension* s) noexcept { present_ = s; }
  void resume(std::coroutine_handle<> coroutine) noexcept {
    coroutine.resume();
    // The outermost one's frame is done with.
    if (returned_) end();
  }
  executor& home() noexcept { return *home_; }

  // By the outermost coroutine, at its end.
  void returned(std::exception_ptr error, bool cancelled) noexcept {
    error_ = std::move(error);
    cancelled_ = cancelled;
    returned_ = true;
  }

 protected:
  explicit coroutine_root(std::coroutine_handle<> outermost)
      : home_(&executor::here()), outermost_(outermost) {
    run = begin_or_cut;
    home_->retain();
  }
  virtual ~coroutine_root() {
    if (error_ && !cancelled_ && !collected_.load(std::memory_order_relaxed))
      report_uncaught_in("task", error_);
    home_->release();
  }

 private:
  enum class life : std::uint8_t { running, ended, abandoned };
  static constexpr unsigned began_mark = 1;
  static constexpr unsigned cancelled_mark = 2;

  bool over() const noexcept { return life_.load(std::memory_order_relaxed) != life::running; }

  static void begin_or_cut(ready_node& node) noexcept {
    auto& self = static_cast<coroutine_root&>(node);
    if (self.began_) return self.deliver_cut();
    self.began_ = true;
    if ((self.marks_.fetch_or(began_mark, std::memory_order_acq_rel) & cancelled_mark) == 0)
      return self.resume(self.outermost_);
    self.returned(std::make_exception_ptr(fiber_exit()), true);
    self.end();
  }

  void deliver_cut() noexcept {
    marks_.fetch_and(~cancelled_mark, std::memory_order_acq_rel);
    if (!returned_ && (present_ == nullptr || !present_->cut())) cut_due_ = true;
    release();
  }

  void end() noexcept {
    std::exchange(outermost_, nullptr).destroy();
    if (later_ != nullptr) later_->earlier_ = earlier_;
    (earlier_ != nullptr ? earlier_->later_ : home_->roots()) = later_;
    be_over(life::ended);
    release();
  }

  void be_over(life how) noexcept {
    wakes woken;
    std::lock_guard guard(lock_);
    life_.store(how, std::memory_order_release);
    woken.add_all(waiters_);
  }

  // Their thread has ended: what they wait for may still name them.
  static void abandon_all(coroutine_root* first) {
    for (auto* root = first; root != nullptr; root = root->later_) root->be_over(life::abandoned);
  }

  executor* home_;
  std::coroutine_handle<> outermost_;
  suspension* present_ = nullptr;
  coroutine_root* earlier_ = nullptr;
  coroutine_root* later_ = nullptr;
  std::exception_ptr error_;
  bool began_ = false;
  bool cut_due_ = false;
  bool returned_ = false;
  bool cancelled_ = false;
  // Of any thread:
  std::atomic<bool> collected_{false};
  std::atomic<life> life_{life::running};
  std::atomic<unsigned> marks_{0};
  std::atomic<std::uint32_t> shares_{1};
  guard_lock lock_;
  wait_queue waiters_;
};

inline bool suspension::suspend(coroutine_root* root) {
  root_ = root;
  if (root->take_cut()) {
    how_ = woken::cut;
    return false;
  }
  if (!begin()) return false;
  // Whoever calls arrived() does so on this thread, later.
  root->suspended_by(this);
  return true;
}

inline void suspension::arrived(ready_node& node) noexcept {
  auto& self = static_cast<suspension&>(node);
  bool waits = false;
  try {
    waits = self.begin_again();
  } catch (...) {
    self.error_ = std::current_exception();
  }
  if (!waits) return self.wake(woken::ready);
  if (self.root_->cut_due() && self.give_up(woken::cut)) return;
  if (self.late_) self.give_up(woken::timed_out);
}

inline bool suspension::give_up(woken how) noexcept {
  if (!claim()) return false;
  withdraw();
  if (how == woken::cut) root_->take_cut();
  wake(how);
  return true;
}

inline void suspension::wake(woken how) noexcept {
  settle();
  how_ = how;
  root_->suspended_by(nullptr);
  root_->resume(handle_);
}

}  // namespace vervet::detail
