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
#include "runtime/fiber_record.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/poller.h"
#include "runtime/ready_queue.h"
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
  int spawn(vervet_fiber& record, const spawn_call& call, size_t stack_size);

  // The same with a new record, which `handle` receives unless it is null. In the program's code.
  int spawn(vervet_fiber** handle, void* (*entry)(void*), void* argument);

  // The first by another thread, which holds the hub's handle (vervet_hub): it begins when the host
  // waits.
  int spawn_from_outside(vervet_fiber& record, const spawn_call& call, size_t stack_size);

  // Makes `f` runnable. Any thread; the host is woken if it sleeps. Takes the scheduler's lock
  // under its own if the host is a full fiber.
  void enqueue(fiber& f);

  // The running flow leaves; commit(argument) runs once it can be made runnable by others.
  // Returns when it was picked again. errno and the exception state are as before.
  void leave(fiber& self, commit_function commit, void* argument);
  // The same for one that has committed.
  void leave(fiber& self);

  // Sleeps in the wait that arm_here() began until it is ended, and returns the reason (light_switch.h).
  wake_reason park_here(fiber& self, uint64_t epoch, deadline until);
  // Both, where nobody but its own hub and its scopes can wake it.
  wake_reason park_here(fiber& self, wait_class interruptible, deadline until);
  // Gives that wait up. A waker that was faster has queued the fiber: it takes its turn.
  void retract_here(fiber& self, uint64_t epoch);
  // light_join.h: joins among the flows of one hub.
  static fiber* shares_hub_with(const vervet_fiber& target);
  wake_reason park_for_end(fiber& self, vervet_fiber& target, deadline until);

  // The running flow goes to the end of the queue.
  void yield(fiber& self);
  // The same for one that is plain(), in the program's code. 0, or ECANCELED if a cut is due then.
  static int yield_plain(fiber& self);
  // The same until nobody else is runnable but who waits for that as well, or a cut is due.
  void yield_to_all(fiber& self);
  // What must be done where the host's own flow has come back and may have no fibers any more.
  void own_flow_returns(fiber& self);

  // `T` is a parker and a timer_node: a fiber, a watcher.
  template <typename T>
  void arm_timer(T& of, uint64_t epoch, deadline until) {
    of.who = &of;
    of.epoch = epoch;
    add_timer(of, until);
  }
  void cancel_timer(timer_node& node) {
    if (node.queued()) timers_.remove(node);
  }

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

  flow_set flows{flow_set::of_one_host};
  record::cache records;

  // fork, in the child: the calling flow goes on as its identity's own, all others are forgotten.
  static void forget_here();

 private:
  struct exception_states;

  light_hub();
  static light_hub* make();
  static void host_ends(void* hub);
  void watch_overflows();
  void unwatch_overflows();
  void give_back();
  void retire();
  void abandon();
  static void enter(arrival from);
  static void* call_back(void* hub);

  light_fiber* take_fiber(size_t stack_size);
  light_fiber& take_free();
  static light_fiber* make_fiber(size_t stack_size, int& error);
  void prepare(light_fiber& f, vervet_fiber& record, const spawn_call& call);
  void bury();
  deadline trim();
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
  void own_flow_left_alone();
  void leave_here(fiber& self);
  bool wake_here(fiber& who, uint64_t epoch, wake_reason reason);
  wake_reason sleep_here(fiber& self, uint64_t epoch, deadline until);
  [[gnu::noinline]] wake_reason park_here_scoped(fiber& self, uint64_t epoch, deadline until);
  void wake_joiners(vervet_fiber& ended);
  void push(fiber& f);
  fiber* next();
  void begin_round();
  bool attention_due() const;
  void fetch_ahead(bool record_too) const;
  static int yielded(fiber& back);
  [[gnu::noinline]] static int yielded_otherwise();
  [[gnu::noinline]] static int yield_queued(fiber& self);
  [[gnu::noinline]] static int yield_in_full_queue(fiber& self);
  [[gnu::noinline]] static int yield_to_nobody(fiber& self);
  [[gnu::noinline]] static int yield_with_exceptions(fiber& self, fiber& to);
  void look_around();
  bool others_ready() const;
  void take_inbox();
  void fire_timers();
  void idle();
  void sleep_os_thread(deadline until);
  void park_host(deadline until);
  void find_exception_states();
  [[gnu::noinline]] void switch_with_exceptions(fiber& from, fiber& to);
  void switch_to(fiber& from, fiber& to);
  void jump(fiber& from, fiber& to, bool for_ever);

  light_fiber main_flow_;
  bool own_flow_alone_ = true;  // the identity's flow is not `main_flow_` at the moment
  fiber round_end_;
  fiber* host_ = nullptr;
  ready_queue ready_{round_end_};
  int* errno_ = nullptr;     // the identity's
  uint64_t idlers_ = 0;      // flows in yield_to_all() that stand in the queue
  uint32_t busy_rounds_ = 0;
  later_looks later_looks_;   // for a deadlock
  uint32_t pins_ = 0;
  uint32_t alive_ = 0;        // light fibers, the host's own flow not counted
  list<fiber_alive> fibers_;  // those
  timer_queue timers_;
  watchdog::watched watched_;
  light_fiber* left_ = nullptr;   // whom the latest switch left, for the sanitizers
  light_fiber* corpse_ = nullptr; // the last one that has ended: not free before it was left
  fiber* free_fibers_ = nullptr;  // ended, with a warm stack of the default size
  uint32_t free_count_ = 0;
  uint32_t least_free_ = 0;       // of the time since trim_at_: so many are superfluous
  deadline trim_at_ = 0;
  // The first C++ runtime's; one that is never clean if there are more of them.
  const exception_state* exceptions_ = nullptr;
  void* exception_states_[most_cxx_runtimes] = {};
  unsigned exception_states_known_ = 0;
  void* alternate_stack_ = nullptr;
  light_hub* next_free_ = nullptr;
  uint32_t number_ = 0;          // no other hub had it, nor the scheduler
  poller poller_;
  uint32_t watching_ = 0;
  uint64_t turn_of_last_look_ = 0;  // into the poller
  uint64_t turn_of_last_idleness_ = 0;
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
