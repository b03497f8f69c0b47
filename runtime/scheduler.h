// The scheduler of full fibers: n workers, their carriers, one hub.
//
// A worker is the right to run fibers; a carrier is the kernel thread that exercises it at the moment.
// Runnable fibers stand in one queue per scheduler, behind one lock. Idle carriers sleep in the poller;
// whoever makes work available while one sleeps wakes one, and that one wakes the next if there is more.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/door_export.h"
#include "runtime/fiber.h"
#include "runtime/list.h"
#include "runtime/lock.h"

namespace vervet {

struct worker {
  unsigned index = 0;
  std::atomic<uint64_t> owner_epoch{0};  // odd while a carrier runs it; bumped at each change of hands
  uint32_t ticks = 0;                    // scheduling decisions taken
};

struct counters {
  uint64_t switches = 0;
  uint64_t passthroughs = 0;  // fibers' calls on descriptors that go to the kernel as they are
  uint64_t parks[static_cast<unsigned>(wait_for::count_)] = {};
};

// A kernel thread that runs fibers. Its loop runs on an identity of its own, never on a fiber's.
struct carrier {
  context home;                 // its scheduler loop
  fiber* running = nullptr;
  worker* owned = nullptr;
  uint64_t owned_epoch = 0;     // owned->owner_epoch as it took the worker
  unsigned index = 0;
  int kernel_tid = 0;
  pthread_t thread{};           // not for the first carrier of a preloaded program
  uint32_t tries = 0;           // operations since the running fiber's turn began
  bool poll_due = false;        // the next scheduling decision looks at the poller first
  deadline sleeps_until = never;
  counters count;
  // What the kernel has for this thread; adopt_kernel_state() makes it what the fiber needs.
  uint64_t kernel_mask = 0;
  const std::atomic<uint64_t>* base_mask = nullptr;  // what it should have, but for what follows the fiber
  std::atomic<bool> mask_held{false};  // its mask is being changed: signal 33 leaves it alone
  uint32_t mask_owner = 0;             // the fiber whose SIGPIPE bit kernel_mask has
  stack_t alternate_stack{};
  stack_t own_alternate_stack{};
};

// The process's scheduler of full fibers. All functions: any thread, unless said otherwise.
namespace scheduler {

inline constexpr unsigned max_workers = 256;

// Starts `workers` carriers; `adopt_caller` makes the calling thread the main fiber and its kernel
// thread the first carrier. Returns 0 or an error number.
VERVET_DOOR int start(unsigned workers, bool adopt_caller);
VERVET_DOOR extern std::atomic<bool> awake;
inline bool running() { return awake.load(std::memory_order_acquire); }
// Ends the carriers once no fiber is alive. Not for a scheduler that adopted the main thread.
VERVET_DOOR int stop();
// True in a preloaded program: the process ends with its last thread.
bool ends_with_last_fiber();

// Makes a fiber runnable. REQUIRES: this caller won its wake, or it was never started.
void enqueue(fiber& f);
// The same from a signal handler: no locks.
void kick();

// The running fiber goes to the end of the queue.
VERVET_DOOR void yield();

// Called by each operation that a fiber tries: one whose operations never make it wait goes to the end of
// the queue every so often, as the kernel's scheduler would see to.
VERVET_DOOR void give_way();

// Leaves the running fiber `self`; commit(argument) runs once its context is saved.
void leave(fiber& self, commit_function commit, void* argument);

carrier* carrier_at(unsigned index);   // null beyond the last
VERVET_DOOR unsigned worker_count();
// Kernel threads of ours: carriers (the main thread's included) and offload threads.
VERVET_DOOR unsigned kernel_threads();
void note_kernel_thread(int change);
VERVET_DOOR counters totals();

// In a forked child: no worker, no carrier, an empty queue; dormant.
void forget_all();

}  // namespace scheduler
}  // namespace vervet
