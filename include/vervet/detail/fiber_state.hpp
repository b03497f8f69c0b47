// What a fiber of spawn() shares with its handles, but for the type of its result. Not for direct
// use.
#pragma once

#include <atomic>
#include <exception>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <utility>

#include <vervet/abi.h>
#include <vervet/detail/flow_local.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/detail/wait_queue.hpp>
#include <vervet/outcome.hpp>

namespace vervet::detail {

struct fiber_state;

// While one lives, the fiber's exception has somebody who will be told, and is not reported.
class collecting {
 public:
  explicit collecting(fiber_state& of);
  collecting(const collecting&) = delete;
  collecting& operator=(const collecting&) = delete;
  ~collecting();

 private:
  fiber_state& of_;
};

// Which ends a link is for.
enum class link_kind { any, value, exception };

struct link_node {
  link_kind kind = link_kind::any;
  std::optional<collecting> collects;
  virtual ~link_node() = default;
  // Calls back in a new fiber, which `self` belongs to from now on.
  virtual void begin(std::unique_ptr<link_node> self,
                     std::shared_ptr<fiber_state> ended) noexcept = 0;

  bool is_for(const outcome_base& end) const {
    return kind == link_kind::any || (kind == link_kind::value) == end.filled;
  }
};
using link_list = std::list<std::unique_ptr<link_node>>;

struct fiber_state : outcome_base {
  vervet_fiber* handle = nullptr;
  std::atomic<bool> done{false};            // the outcome is there; written under the lock
  std::atomic<unsigned> collectors{0};      // who waits at the moment to be told of an exception
  flow_locals locals;                       // of the fiber; nobody else looks at them
  std::stop_source stop{std::nostopstate};  // if the callable asked for a token

  guard_lock lock;            // guards what follows
  wait_queue waiters;         // wait() and its like; joiners wait at the handle
  link_list links;            // in the order they were made
  std::exception_ptr killer;  // what kill() gave and the fiber has not thrown yet

  fiber_state() {
    locals.owner = this;
    locals.take_kill = take_kill;
  }
  ~fiber_state() { vervet_release(handle); }

  // Asks the fiber to throw `given` (null: fiber_exit) at its next wait. Kills that it has not
  // noticed yet are one, with the exception of the last. Returns false if it has ended.
  bool kill(std::exception_ptr given) {
    {
      std::lock_guard guard(lock);
      if (done.load(std::memory_order_relaxed)) return false;
      killer.swap(given);
      if (vervet_kill(handle) != 0) return false;
    }
    // May call back, hence without the lock.
    if (stop.stop_possible()) stop.request_stop();
    return true;
  }

  [[noreturn]] void kill_itself(const std::exception_ptr& given) {
    if (stop.stop_possible()) stop.request_stop();
    if (given) std::rethrow_exception(given);
    throw fiber_exit();
  }

  // In the fiber, after it has noticed a kill. The mark goes with the exception: a kill that came
  // in between is this one.
  static std::exception_ptr take_kill(void* owner) {
    auto& self = *static_cast<fiber_state*>(owner);
    std::lock_guard guard(self.lock);
    vervet_check_killed();
    return std::exchange(self.killer, nullptr);
  }

  void begin() { *vervet_local_slot() = &locals; }

  // The last that the fiber does: its callable and arguments are gone. Nothing cuts the waits in
  // destructors any more.
  static void end(const std::shared_ptr<fiber_state>& self) noexcept {
    fiber_state& own = *self;
    own.locals.drop_locals();
    *vervet_local_slot() = nullptr;
    if (!own.error && !own.filled)
      own.error = std::make_exception_ptr(
          std::logic_error("vervet: the fiber was ended by pthread_exit, without a result"));
    // Not on the way of who waits for it: that one throws it.
    if (!own.filled && !own.cancelled && own.collectors.load() == 0) report_uncaught(own.error);
    link_list due;
    std::exception_ptr unused;
    {
      std::lock_guard guard(own.lock);
      own.done.store(true, std::memory_order_release);
      due.swap(own.links);
      unused.swap(own.killer);
      own.waiters.wake_all();
    }
    begin_links(due, self);
  }

  static void begin_links(link_list& links, const std::shared_ptr<fiber_state>& ended) noexcept {
    for (std::unique_ptr<link_node>& link : links)
      if (link->is_for(*ended)) link->begin(std::move(link), ended);
  }
};

inline collecting::collecting(fiber_state& of) : of_(of) { ++of_.collectors; }
inline collecting::~collecting() { --of_.collectors; }

}  // namespace vervet::detail
