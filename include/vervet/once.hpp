// Doing something once: once_flag, call_once.
#pragma once

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <functional>
#include <mutex>
#include <system_error>
#include <utility>

#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>

namespace vervet {

class once_flag;
template <typename F, typename... Args>
void call_once(once_flag& flag, F&& f, Args&&... args);

// Whether something has been done; see call_once(). Neither copyable nor movable.
class once_flag {
 public:
  constexpr once_flag() noexcept = default;
  once_flag(const once_flag&) = delete;
  once_flag& operator=(const once_flag&) = delete;

 private:
  template <typename F, typename... Args>
  friend void call_once(once_flag& flag, F&& f, Args&&... args);

  enum class state : std::uint8_t {
    fresh,    // nobody does it, nobody waits
    running,  // runner_ does it
    done,
  };

  bool is_done() const noexcept { return state_.load(std::memory_order_acquire) == state::done; }

  // Returns whether the caller is to do it, and then to end(); false: it is done.
  [[gnu::noinline]] bool begin() {
    std::uint64_t self = vervet_self();
    std::unique_lock guard(lock_);
    if (is_done()) return false;
    if (state_.load(std::memory_order_relaxed) == state::fresh) {
      state_.store(state::running, std::memory_order_relaxed);
      runner_ = self;
      return true;
    }
    if (runner_ == self)
      throw std::system_error(std::make_error_code(std::errc::resource_deadlock_would_occur),
                              "vervet: call_once: called by what it calls");
    // Read by the runner that fails: who is next.
    int error = queue_.try_wait(guard, VERVET_NEVER, &self);
    if (error != 0) detail::throw_wait_error(error, "vervet: call_once");
    return !is_done();
  }

  void end(bool done) noexcept {
    detail::wakes woken;
    std::lock_guard guard(lock_);
    if (done) {
      state_.store(state::done, std::memory_order_release);
      woken.add_all(queue_);
    } else if (detail::waiter* next = queue_.claim_first()) {
      runner_ = *static_cast<std::uint64_t*>(next->slot);
      woken.add(*next);
    } else {
      state_.store(state::fresh, std::memory_order_relaxed);
    }
  }

  detail::guard_lock lock_;
  detail::wait_queue queue_;
  std::atomic<state> state_{state::fresh};
  std::uint64_t runner_ = 0;
};

// call_once() calls f(args...) if no call with this flag has returned yet; whoever calls meanwhile
// waits until it has. If f throws, that comes out of this call, and the one that has waited longest
// calls its own f, or the next to come does: so too if the runner is killed inside f.
//
// Thread safety: any fiber or thread. What f did happens before the return of every call_once().
// Blocks the calling fiber, or the OS thread if it hosts no living fiber, while another runs f.
// Throws what f throws; cut_short, would_block_forever; std::system_error
// (resource_deadlock_would_occur) if f calls it with the same flag.
template <typename F, typename... Args>
void call_once(once_flag& flag, F&& f, Args&&... args) {
  if (flag.is_done()) [[likely]]
    return;
  if (!flag.begin()) return;
  struct ending {
    once_flag& of;
    bool done = false;
    ~ending() { of.end(done); }
  } ending{flag};
  std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  ending.done = true;
}

}  // namespace vervet
