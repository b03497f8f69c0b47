// The hub of light fibers: one per identity that spawned any (an OS thread, or a full fiber).
//
// Light fibers run only while their host runs, on the host's identity, first in first out, from
// park to park: gevent's order. When none is runnable the hub puts its host to sleep: an OS thread
// on a futex, a full fiber by parking it, until a timer is due or another thread readies one of its
// fibers.
//
// There is no hub flow to switch through: whoever leaves picks the next fiber, or sleeps, on its
// own stack. The host's own flow is one of the hub's fibers too, `main_flow`, so that it takes its
// turn.
#pragma once

#include "runtime/context.h"
#include "runtime/deadline.h"
#include "runtime/deadlock.h"
#include "runtime/exception_state.h"
#include "runtime/fiber.h"
#include "runtime/handle.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/poller.h"
#include "runtime/sanitizer.h"
#include "runtime/timer_queue.h"
#include "runtime/watchdog.h"
#include "runtime/watcher.h"

namespace vervet {

// What a light fiber's control block, on top of its stack, adds to a fiber's.
struct light_fiber : fiber {
  sanitizer::flow tools;
};

// Thread safety: on the host's identity alone, but for enqueue().
class light_hub {
 public:
  // Default and least size of a stack, guard page and control block included.
  static constexpr size_t default_stack_size = 64 * 1024;
  static constexpr size_t least_stack_size = 16 * 1024;

  // The calling identity's hub, made at the first use; null if memory is short. It goes with its
  // host: fibers that have not ended by then are abandoned, they and their stacks stay as they are.
  // REQUIRES: in_runtime == 0.
  static light_hub* here();

  // Makes a light fiber for `record` and puts it at the end of the queue. 0, EAGAIN, EINVAL.
  // Inside a runtime_scope.
  int spawn(vervet_fiber& record, size_t stack_size);

  // The same by another thread, which holds the hub's handle (vervet_hub): it begins when the host
  // waits.
  int spawn_from_outside(vervet_fiber& record, size_t stack_size);

  // Makes `f` runnable. Any thread; the host is woken if it sleeps. Takes the scheduler's lock
  // under its own if the host is a full fiber.
  void enqueue(fiber& f);

  // The running flow leaves; commit(argument) runs once it can be made runnable by others.
  // Returns when it was picked again. errno and the exception state are as before.
  void leave(fiber& self, commit_function commit, void* argument);

  // The running flow goes to the end of the queue.
  void yield(fiber& self);
  // The same until nobody else is runnable but who waits for that as well, or a cut is due.
  void yield_to_all(fiber& self);

  // `T` is a parker and a timer_node: a fiber, a watcher.
  template <typename T>
  void arm_timer(T& of, uint64_t epoch, deadline until) {
    of.who = &of;
    of.epoch = epoch;
    add_timer(of, until);
  }
  void cancel_timer(timer_node& node) { timers_.remove(node); }

  // Descriptors (light_poll.cpp). An OS thread's hub has a poller of its own; a full fiber's uses the
  // scheduler's.
  uint32_t number() const { return number_; }
  // Null if the process has no descriptors left.
  poller* open_poller();
  // A flow or a watcher of this hub waits for a descriptor: it is looked after while others run.
  void begin_watching() { ++watching_; }
  void end_watching() { --watching_; }

  // Watchers (watcher.cpp). fire(): call back soon; any thread.
  void fire(watcher& w);
  // No effect if it was not fired, or is being called back.
  void unfire(watcher& w);
  // While it is pinned the host's own flow waits in the hub although there may be no fibers: others
  // make some.
  void pin();
  void unpin();
  // What other threads name this hub by; made at the first use, and then for the host's life.
  vervet_hub* handle();

  // The full fiber that hosts this hub; null if an OS thread does.
  fiber* host() const { return host_; }

  watchdog::watched& watched() { return watched_; }
  const watchdog::watched& watched() const { return watched_; }

  flow_set flows;

  // fork, in the child: the calling flow goes on as its identity's own, all others are forgotten.
  static void forget_here();

 private:
  struct kept_state;

  light_hub();
  static light_hub* make();
  static void host_ends(void* hub);
  void watch_overflows();
  void unwatch_overflows();
  void retire();
  void abandon();
  static void enter(void* fiber);
  static void recycle(void* fiber);
  static void* call_back(void* hub);

  stack_slot take_stack(size_t slot_size);
  light_fiber* make_fiber(vervet_fiber& record, stack_slot slot);
  void adopt(light_fiber& f);
  void wake_host();
  bool alone() const { return alive_ + pins_ == 0; }
  void add_timer(timer_node& node, deadline until);
  void look(deadline until);
  void close_poller();
  void call_back_soon();
  [[noreturn]] void end(light_fiber& self);

  void begin_turn(fiber& f);
  void own_flow_is_one_of_many();
  void own_flow_is_alone();
  fiber* next();
  void begin_round();
  void push(fiber& f);
  void take_inbox();
  void fire_timers();
  void idle();
  void sleep_os_thread(deadline until);
  void park_host(deadline until);
  void find_exception_states();
  void keep(kept_state& kept);
  void restore(const kept_state& kept);
  void start_clean();
  void switch_to(light_fiber& from, fiber& to, commit_function commit);
  void arrived(void* fake_stack) { sanitizer::arrived(fake_stack, left_->tools); }

  light_fiber main_flow_;
  fiber* host_ = nullptr;
  fifo<fiber> ready_;
  uint32_t ready_count_ = 0;
  uint32_t round_left_ = 0;  // of those, how many run before timers and inbox are due
  uint32_t idlers_ = 0;      // of the ready ones: in yield_to_all()
  uint32_t busy_rounds_ = 0;
  later_looks later_looks_;   // for a deadlock
  uint32_t pins_ = 0;
  uint32_t alive_ = 0;        // light fibers, the host's own flow not counted
  list<fiber_alive> fibers_;  // those
  timer_queue timers_;
  watchdog::watched watched_;
  light_fiber* left_ = nullptr;   // whom the latest switch left, for the sanitizers
  fiber* free_fibers_ = nullptr;  // ended, with a stack of the default size
  uint32_t free_count_ = 0;
  void* exception_states_[most_cxx_runtimes] = {};
  unsigned exception_states_known_ = 0;
  void* alternate_stack_ = nullptr;
  light_hub* next_free_ = nullptr;
  uint32_t number_ = 0;          // no other hub had it, nor the scheduler
  poller poller_;
  uint32_t watching_ = 0;
  uint32_t turns_unwatched_ = 0;  // since the poller was looked into
  bool callback_queued_ = false;  // a fiber that will call back is about to run
  list<watcher> due_;  // fired before this round: those that fire later leave others a turn
  vervet_hub* handle_ = nullptr;

  lock inbox_lock_;                        // guards what follows
  fifo<fiber> inbox_;                      // made runnable from elsewhere
  list<watcher> fired_;
  std::atomic<uint32_t> inbox_filled_{0};  // a hint that spares the lock
  // The host sleeps, or is about to: an OS thread on this word or in its poller.
  std::atomic<uint32_t> asleep_{0};
  uint64_t host_epoch_ = 0;                // the wait of a full host that sleeps
};

}  // namespace vervet
