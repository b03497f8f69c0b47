// The scheduler of full fibers: n workers, the carriers that have them, one hub.
//
// A fiber that becomes runnable goes to the queue of the worker it was readied on. A worker takes from its
// own queue, then from the shared one, then from the others'. Idle workers sleep (idle.h); a worker
// whose carrier is stuck in one fiber goes to another carrier (monitor.h, worker.h).
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/carrier.h"
#include "runtime/door_export.h"
#include "runtime/fiber.h"

namespace vervet {

// The process's scheduler of full fibers. All functions: any thread, unless said otherwise.
namespace scheduler {

inline constexpr unsigned max_workers = 256;

struct options {
  unsigned workers = 1;
  bool adopt_caller = false;  // the calling thread becomes the main fiber, its kernel thread a carrier
  int64_t tick = 10'000'000;  // nanoseconds after which a carrier may be found stuck
};

// Returns 0 or an error number.
VERVET_DOOR int start(const options& o);
VERVET_DOOR extern std::atomic<bool> awake;
inline bool running() { return awake.load(std::memory_order_acquire); }
// Ends the carriers once no fiber is alive. Not for a scheduler that adopted the main thread.
VERVET_DOOR int stop();
// True in a preloaded program: the process ends with its last thread.
bool ends_with_last_fiber();

// Makes a fiber runnable. REQUIRES: this caller won its wake, or it was never started.
void enqueue(fiber& f);
// The same for one that is to begin on a certain worker, unless another one has nothing to do.
void enqueue_on(unsigned worker, fiber& f);
// The same from a signal handler: no locks.
void kick();

// The running fiber goes to the end of the queue.
VERVET_DOOR void yield();
// The running fiber does so until nobody waits but who is in this call as well, or a cut is due.
void yield_to_all();

// Called by each operation that a fiber tries: one whose operations never make it wait goes to the end of
// the queue every so often, as the kernel's scheduler would see to. `cost` is 1 for a system call.
VERVET_DOOR void give_way(uint32_t cost = 1);

// From inside a signal handler, on the monitor's request (carrier::preempt_turn): the running fiber `self`
// makes room for others.
void preempt(fiber& self);

// Leaves the running fiber `self`; commit(argument) runs once its context is saved.
void leave(fiber& self, commit_function commit, void* argument);

// The running full fiber gets a kernel thread of its own from now on, for it is about to take on state that
// the kernel has per thread. No effect if it has one. False if none can be made. Inside a
// runtime_scope.
VERVET_DOOR bool wire(fiber& self);

// The same for one that was not started yet: the new kernel thread inherits from the caller's.
bool wire_to_fresh(fiber& f);

// The running fiber ends: a carrier that it was wired to ends with it.
void unwire(fiber& self);

// The loop of a carrier, on its own identity.
void serve(carrier& c);

// True if a fiber waits for its turn, or something is to be done that a carrier does.
VERVET_DOOR bool work_waits();

worker& worker_at(unsigned index);
VERVET_DOOR unsigned worker_count();
// Kernel threads of ours: carriers (the main thread's included), the monitor and offload threads.
VERVET_DOOR unsigned kernel_threads();
void note_kernel_thread(int change);
// False once there are so many that one more is to be made for what blocks only: two more than workers.
bool within_budget();
VERVET_DOOR counters totals();

// In a forked child: no worker, no carrier, an empty queue; dormant.
void forget_all();

}  // namespace scheduler
}  // namespace vervet
