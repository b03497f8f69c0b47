// A scope that its fibers do not outlive: task_group, with_task_group.
#pragma once

#include <atomic>
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <utility>
#include <vector>

#include <vervet/detail/group_core.hpp>
#include <vervet/fiber.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>

namespace vervet {

// Thrown into the body of a task_group, at its wait or next one, when the group was cancelled: a
// child has failed, or cancel() was called. Also by spawn() then.
class group_cancelled : public cut_short {
 public:
  // Made by the task_group.
  group_cancelled(const void* group, std::exception_ptr cause) noexcept
      : group_(group), cause_(std::move(cause)) {}
  const char* what() const noexcept override { return "vervet: the task_group was cancelled"; }

  // Whether it is that task_group's.
  bool is_of(const void* group) const noexcept { return group_ == group; }
  // What the first child has failed with; null after cancel().
  const std::exception_ptr& cause() const noexcept { return cause_; }

 private:
  const void* group_;
  std::exception_ptr cause_;
};

namespace detail {

struct task_group_core final : group_core {
  using group_core::group_core;

  const void* group = nullptr;
  vervet_scope* body = nullptr;
  std::atomic<bool> cancelled{false};

  guard_lock errors_lock;
  std::vector<std::exception_ptr> errors;  // of children, in the order they failed

  std::vector<std::exception_ptr> copy_errors() {
    std::lock_guard guard(errors_lock);
    return errors;
  }
  std::exception_ptr first_of_errors() {
    std::lock_guard guard(errors_lock);
    return errors.empty() ? nullptr : errors.front();
  }

  // Kills the children: who spawns one looks at `cancelled` after it was added, so none gets away.
  void stop() {
    cancelled.store(true);
    kill(nullptr, false, {});
  }
  void cancel() {
    if (!cancelled.exchange(true)) vervet_scope_cancel(body);
    stop();
  }

  bool failing() noexcept override {
    std::exception_ptr error = std::current_exception();
    try {
      throw;
    } catch (const group_cancelled& cut) {
      if (cut.is_of(group)) return true;
      if (cut.cause()) error = cut.cause();
    } catch (...) {
    }
    {
      std::lock_guard guard(errors_lock);
      errors.push_back(std::move(error));
    }
    cancel();
    return true;
  }
};

}  // namespace detail

// A task_group is a scope (a nursery): its fibers, the children, have ended when it is left.
//
//     task_group g;
//     auto user = g.spawn(load_user, id);
//     auto cart = g.spawn(load_cart, id);
//     g.join();                        // both have ended, or it throws
//     show(user.get(), cart.get());
//
// The first child that fails cancels the group: the other children are killed, and the body, that
// is the flow that made the group, is cut out of its wait by group_cancelled. join() lets all end
// and rethrows the first failure, as an exception of its own type, so that a catch clause meets it
// (asyncio's ExceptionGroup needs a syntax of its own); errors() has all. They are not reported on
// stderr, unless no join() has thrown. A child that ended by fiber_exit has not failed.
//
// Left by an exception, the scope kills the children and waits for them; else it waits for them.
// A kill, timeout or stop that cuts join() kills them, waits, and goes on. Groups nest. What
// refuses to be killed is waited for.
//
// Thread safety: join() and the destructor are for the flow that made the group; the rest is for
// any flow as long as the group lives, children for one. Other scopes (timeouts) nest with it as
// blocks do. Neither copyable nor movable.
class task_group {
 public:
  // At most `limit` children at a time, spawn() waits for room; 0: any number.
  explicit task_group(std::size_t limit = 0)
      : core_(std::make_shared<detail::task_group_core>(limit == 0 ? std::optional<std::size_t>()
                                                                   : limit)) {
    core_->group = this;
    core_->body = &scope_;
    scope_.of = this;
    scope_.deadline = VERVET_NEVER;
    scope_.raise = [](vervet_scope* s) { static_cast<body_scope*>(s)->of->throw_cancelled(); };
    vervet_scope_enter(&scope_);
  }
  task_group(const task_group&) = delete;
  task_group& operator=(const task_group&) = delete;

  // Blocks until the children have ended. What cuts that wait kills them, and the flow's next wait
  // meets it. Ends the process by std::terminate if a child certainly never ends: the flow must not
  // go on without it.
  ~task_group() {
    if (std::uncaught_exceptions() > exceptions_) core_->stop();
    while (core_->await_empty({}) != 0) {
      if (is_due()) {
        vervet_take_cut(nullptr);
      } else {
        stop_and_wait();
        break;
      }
    }
    vervet_scope_leave(&scope_);
    if (std::exception_ptr first = core_->first_of_errors(); first && !told_)
      detail::report_uncaught(first);
  }

  // spawn() is vervet::spawn(), and makes the fiber a child. Blocks only if there is a limit, until
  // there is room. Throws group_cancelled if the group was cancelled; what vervet::spawn() throws;
  // with a limit cut_short and would_block_forever, too.
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(spawn_options options, F&& f, Args&&... args) {
    if (cancelled()) throw_cancelled();
    core_->enter();
    auto child = core_->launch({options}, std::forward<F>(f), std::forward<Args>(args)...);
    if (cancelled()) child.kill(std::exception_ptr(), false);
    return child;
  }
  template <typename F, typename... Args>
  requires detail::spawnable<F, Args...>
  auto spawn(F&& f, Args&&... args) {
    return spawn(spawn_options{}, std::forward<F>(f), std::forward<Args>(args)...);
  }

  // join() waits until all children have ended, then rethrows what the first failed one ended with,
  // each time it is called. Returns whether they have ended by `until`; at that the children run
  // on. A kill, timeout or stop that cuts the wait, and a deadlock, kill the children; it throws
  // that when they have ended. Other children may be spawned afterwards, unless one has failed.
  // Blocks the calling fiber, or the OS thread if it hosts no living fiber.
  // Throws cut_short; would_block_forever; std::logic_error in another flow than the group's.
  bool join(deadline until = {}) {
    if (vervet_self() != owner_)
      throw std::logic_error("vervet: task_group: join() by another flow than the group's");
    while (int error = core_->await_empty(until)) {
      if (error == ETIMEDOUT) return false;
      try {
        detail::throw_wait_error(error, "vervet: task_group: join");
      } catch (const group_cancelled& cut) {
        if (cut.is_of(this)) continue;
        stop_and_wait();
        throw;
      } catch (...) {
        stop_and_wait();
        throw;
      }
    }
    // Nobody is left to cut the body for.
    __atomic_store_n(&scope_.cancelled, 0u, __ATOMIC_SEQ_CST);
    if (std::exception_ptr first = core_->first_of_errors()) {
      told_ = true;
      std::rethrow_exception(first);
    }
    return true;
  }

  // cancel() kills the children and cuts the body's wait, or its next one but join(), by
  // group_cancelled. Never blocks.
  void cancel() { core_->cancel(); }

  // Whether a child has failed or cancel() was called. Never blocks.
  bool cancelled() const noexcept { return core_->cancelled.load(); }
  // What children have failed with, in that order. Never blocks.
  std::vector<std::exception_ptr> errors() const { return core_->copy_errors(); }
  // How many children run; old news on return. Never blocks.
  std::size_t size() const noexcept { return core_->size(); }

 private:
  struct body_scope : vervet_scope {
    task_group* of = nullptr;
  };

  [[noreturn]] void throw_cancelled() {
    std::exception_ptr cause = core_->first_of_errors();
    if (vervet_self() == owner_ && cause) told_ = true;
    throw group_cancelled(this, std::move(cause));
  }

  bool is_due() const noexcept { return __atomic_load_n(&scope_.cancelled, __ATOMIC_SEQ_CST) != 0; }

  void stop_and_wait() {
    core_->stop();
    shield until_they_have_ended;
    if (int error = core_->await_empty({})) detail::throw_error(error, "vervet: task_group");
  }

  std::shared_ptr<detail::task_group_core> core_;
  body_scope scope_{};
  std::uint64_t owner_ = vervet_self();
  int exceptions_ = std::uncaught_exceptions();
  bool told_ = false;  // of a failure, by an exception
};

// with_task_group() calls body(group) and joins the group: when it returns or throws, no child
// runs. Throws what body throws, or what the first failed child has ended with, also if body was
// cut out of its wait by that. If it was by cancel(), returns.
//
//     with_task_group([&](task_group& g) { for (auto& host : hosts) g.spawn(ping, host); });
template <std::invocable<task_group&> Body>
void with_task_group(Body&& body, std::size_t limit = 0) {
  task_group group(limit);
  try {
    std::invoke(std::forward<Body>(body), group);
  } catch (const group_cancelled& cut) {
    if (!cut.is_of(&group)) throw;
  }
  group.join();
}

}  // namespace vervet
