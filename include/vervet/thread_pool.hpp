// Blocking work elsewhere: offload, thread_pool.
#pragma once

#include <atomic>
#include <cerrno>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/callback.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/error.hpp>
#include <vervet/outcome.hpp>
#include <vervet/time.hpp>

namespace vervet {

class thread_pool;

namespace detail {

template <typename F, typename... Args>
using offload_result_t = std::invoke_result_t<std::decay_t<F>, std::decay_t<Args>...>;

// What a job and those who want its result share.
template <typename T>
struct offload_state : outcome<T> {
  guard_lock lock;
  wait_queue waiters;
  std::atomic<bool> ready{false};      // written under the lock; the outcome changes no more
  std::atomic<bool> collected{false};  // somebody has asked for the exception

  ~offload_state() {
    if (this->error && !this->cancelled && !collected.load(std::memory_order_relaxed))
      report_uncaught_in("submitted function", this->error);
  }

  void finish() {
    std::lock_guard guard(lock);
    ready.store(true, std::memory_order_release);
    waiters.wake_all();
  }
};

template <typename T, typename F, typename... Args>
struct offload_job final : offload_state<T>, vervet_job {
  std::tuple<F, Args...> call;
  std::shared_ptr<offload_job> own;  // the pool's share

  template <typename... From>
  explicit offload_job(std::in_place_t, From&&... from)
      : vervet_job{}, call(std::forward<From>(from)...) {
    run = perform;
  }

  static void perform(vervet_job* job) {
    std::shared_ptr<offload_job> self = std::move(static_cast<offload_job*>(job)->own);
    {
      // Callable and arguments die here, as a fiber's do with it, not with the last handle.
      auto call = std::move(self->call);
      self->outcome<T>::run([&]() -> T {
        return std::apply(
            [](auto&&... part) -> T { return std::invoke(std::forward<decltype(part)>(part)...); },
            std::move(call));
      });
    }
    self->finish();
  }
};

// Calls `call` on a thread of the pool (null: the default one) and waits.
template <typename Call>
auto apply_on(vervet_thread_pool* pool, Call&& call) -> std::invoke_result_t<Call&> {
  using T = std::invoke_result_t<Call&>;
  struct job {
    Call& call;
    outcome<T> end;
  } inside{call, {}};
  auto enter = [](void* argument) -> void* {
    auto& j = *static_cast<job*>(argument);
    j.end.run([&]() -> T { return j.call(); });
    return nullptr;
  };
  int error = vervet_thread_pool_apply(pool, enter, &inside, nullptr);
  if (error != 0) throw_wait_error(error, "vervet: offload");
  inside.end.rethrow();
  return inside.end.result.take();
}

}  // namespace detail

// offload() calls f(args...) on a native thread of the default pool while the calling fiber is
// parked, and returns its result or throws its exception (asyncio's to_thread, gevent's
// threadpool.apply): for calls that block and are not intercepted. f and args are used where they
// are, not copied.
//
//     auto row = offload([&] { return sqlite_query(db, text); });
//
// The default pool has up to four threads for each CPU and at least eight, see
// vervet_offload_threads(). Signals are blocked there; thread_local variables are that thread's.
// A call on a thread of any pool runs f at once, where it is.
// Blocks the calling fiber, or the OS thread. Cut short only while no thread has begun with it, for
// f may use the caller's variables; a kill or timeout that comes later cuts the next wait. Who
// would rather leave submits to a thread_pool. Throws cut_short, std::system_error
// (resource_unavailable_try_again: no thread), and what f throws. Any thread.
template <typename F, typename... Args>
requires std::invocable<F, Args...>
auto offload(F&& f, Args&&... args) -> std::invoke_result_t<F, Args...> {
  return detail::apply_on(nullptr, [&]() -> std::invoke_result_t<F, Args...> {
    return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
  });
}

// What a submitted callable will return. Copies name the same; dropping them does not take the
// callable back. An exception that nobody can collect any more is reported as one line on stderr.
// Thread safety: calls through different handles from any threads; one handle object as any object.
// REQUIRES, for every call but operator bool: not empty.
template <typename T>
class offloaded {
 public:
  using kept = typename detail::result<T>::kept;  // const T&; T& and void as they are

  offloaded() = default;

  // Waits until the callable has ended; returns whether it has by `until`. Never throws its
  // exception. Blocks the calling fiber, or the OS thread. Throws cut_short: the callable goes on.
  bool wait(deadline until = {}) const {
    std::unique_lock guard(state_->lock);
    if (ready()) return true;
    return state_->waiters.wait(guard, until.monotonic());
  }

  // wait(), then returns the result or rethrows the exception, each time. The reference lives as
  // long as a handle. Throws timed_out, and what wait() throws.
  kept get(deadline until = {}) const& {
    await(until);
    if constexpr (!std::is_void_v<T>) return state_->result.look();
  }
  // On a handle that is given up: moves the value out.
  T get(deadline until = {}) && {
    await(until);
    if constexpr (!std::is_void_v<T>) return state_->result.take();
  }

  // Never block.
  bool ready() const noexcept { return state_->ready.load(std::memory_order_acquire); }
  bool successful() const noexcept { return ready() && state_->filled; }
  std::exception_ptr exception() const noexcept {
    if (!ready()) return nullptr;
    state_->collected.store(true, std::memory_order_relaxed);
    return state_->error;
  }
  explicit operator bool() const noexcept { return state_ != nullptr; }

  // For wait() and iwait() over several: as in detail/observation.hpp.
  bool observe(detail::waiter& w) const noexcept {
    std::lock_guard guard(state_->lock);
    if (ready()) return false;
    state_->waiters.push(w);
    return true;
  }
  void unobserve(detail::waiter& w) const noexcept {
    std::lock_guard guard(state_->lock);
    state_->waiters.remove(w);
  }

 private:
  friend class thread_pool;
  explicit offloaded(std::shared_ptr<detail::offload_state<T>> state) : state_(std::move(state)) {}

  void await(deadline until) const {
    if (!wait(until)) throw timed_out("vervet: offloaded: no result in time");
    state_->collected.store(true, std::memory_order_relaxed);
    state_->rethrow();
  }

  std::shared_ptr<detail::offload_state<T>> state_;
};

// How to make a thread_pool: thread_pool({.threads = 1}).
struct thread_pool_options {
  unsigned threads = 0;    // at most; 0: four for each CPU, eight at least
  std::size_t queue = 64;  // how many callables wait for a thread before submit() waits
  std::chrono::nanoseconds idle = std::chrono::seconds(5);  // a thread without work ends after that
};

// A thread_pool runs callables on native threads, in the order they come: where blocking work wants
// a limit of its own (one thread for a library that has to stay on one; ten connections at most).
// Threads are made when needed. gevent's pool serves one thread's hub; this one takes work from any
// fiber and thread.
//
// A forked child's pool starts without threads; what had not ended at the fork never does there.
// The destructor waits until all that was submitted has ended; nothing cuts that short. A callable
// must not destroy its own pool: ends the process. Neither copyable nor movable.
class thread_pool {
 public:
  // Throws std::bad_alloc, std::system_error (invalid_argument: more than 32,768 threads).
  explicit thread_pool(unsigned threads = 0)
      : thread_pool(thread_pool_options{.threads = threads}) {}
  explicit thread_pool(thread_pool_options options) {
    int error = vervet_thread_pool_make(&pool_, options.threads, options.queue,
                                        detail::nanoseconds_of(options.idle));
    if (error != 0) detail::throw_error(error, "vervet: thread_pool");
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() { vervet_thread_pool_free(pool_); }

  // Has a thread call f(args...), all copied or moved as std::thread does and destroyed when it has
  // ended. On a thread of this pool f is called at once, so that nobody waits for himself. Waits
  // while all threads are busy and the queue is full. Throws cut_short then, and std::system_error
  // (resource_unavailable_try_again: no thread can be made): f is not called.
  template <typename F, typename... Args>
  requires std::invocable<std::decay_t<F>, std::decay_t<Args>...>
  auto submit(F&& f, Args&&... args) -> offloaded<detail::offload_result_t<F, Args...>> {
    using T = detail::offload_result_t<F, Args...>;
    using job = detail::offload_job<T, std::decay_t<F>, std::decay_t<Args>...>;
    auto made =
        std::make_shared<job>(std::in_place, std::forward<F>(f), std::forward<Args>(args)...);
    made->own = made;
    if (vervet_thread_pool_here() == pool_) {
      job::perform(made.get());
    } else if (int error = vervet_thread_pool_submit(pool_, made.get(), VERVET_NEVER)) {
      made->own.reset();
      detail::throw_wait_error(error, "vervet: thread_pool");
    }
    return offloaded<T>(std::move(made));
  }

  // offload(), on this pool; on a thread of this pool f is called at once.
  template <typename F, typename... Args>
  requires std::invocable<F, Args...>
  auto apply(F&& f, Args&&... args) -> std::invoke_result_t<F, Args...> {
    return detail::apply_on(pool_, [&]() -> std::invoke_result_t<F, Args...> {
      return std::invoke(std::forward<F>(f), std::forward<Args>(args)...);
    });
  }

  // Waits until the pool has nothing to do; returns whether that is so by `until`. Throws
  // cut_short.
  bool join(deadline until = {}) {
    int error = vervet_thread_pool_join(pool_, until.monotonic());
    if (error != 0 && error != ETIMEDOUT) detail::throw_wait_error(error, "vervet: thread_pool");
    return error == 0;
  }

  // For the C interface; valid as long as the pool.
  vervet_thread_pool* native_handle() const noexcept { return pool_; }

 private:
  vervet_thread_pool* pool_ = nullptr;
};

}  // namespace vervet
