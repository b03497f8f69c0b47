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
#include "runtime/fiber.h"
#include "runtime/handle.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/sanitizer.h"
#include "runtime/timer_queue.h"
#include "runtime/watchdog.h"

namespace vervet {

// What a light fiber's control block, on top of its stack, adds to a fiber's.
struct light_fiber : fiber {
  sanitizer::flow tools;
};

// Where the C++ runtime of this program keeps a thread's exception state (__cxa_get_globals), and
// how much of it must follow a switch. Registered once per C++ runtime; any thread.
inline constexpr size_t exception_state_size = 16;
inline constexpr unsigned most_cxx_runtimes = 4;
void register_exception_globals(void* (*get)());

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

  // Makes `f` runnable. Any thread; the host is woken if it sleeps. Takes the scheduler's lock
  // under its own if the host is a full fiber.
  void enqueue(fiber& f);

  // The running flow leaves; commit(argument) runs once it can be made runnable by others.
  // Returns when it was picked again. errno and the exception state are as before.
  void leave(fiber& self, commit_function commit, void* argument);

  // The running flow goes to the end of the queue.
  void yield(fiber& self);

  void arm_timer(fiber& f, uint64_t epoch, deadline until);
  void cancel_timer(fiber& f) { timers_.remove(f); }

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

  stack_slot take_stack(size_t slot_size);
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
  uint32_t busy_rounds_ = 0;
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

  lock inbox_lock_;                        // guards what follows
  fifo<fiber> inbox_;                      // made runnable from elsewhere
  std::atomic<uint32_t> inbox_filled_{0};  // a hint that spares the lock
  std::atomic<uint32_t> asleep_{0};        // the host sleeps, or is about to: an OS thread's futex
  uint64_t host_epoch_ = 0;                // the wait of a full host that sleeps
};

}  // namespace vervet
