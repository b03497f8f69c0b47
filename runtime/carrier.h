// A kernel thread that runs fibers.
#pragma once

#include <atomic>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>

#include "runtime/context.h"
#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/list.h"
#include "runtime/parker.h"
#include "runtime/worker.h"

namespace vervet {

struct fiber;
struct offload_job;

struct counters {
  uint64_t switches = 0;
  uint64_t passthroughs = 0;  // fibers' calls on descriptors that go to the kernel as they are
  uint64_t parks[static_cast<unsigned>(wait_for::count_)] = {};
};

// Its loop runs on an identity of its own, never on a fiber's. A carrier that owns no worker is a
// spare, or is still busy with the fiber over which it lost it, or serves a wired fiber alone.
struct carrier : list_hook {
  context home;                         // its scheduler loop
  std::atomic<fiber*> running{nullptr};
  worker* owned = nullptr;              // may have been lost: owns_worker() tells
  uint64_t owned_epoch = 0;             // owned->epoch as it got the worker
  offload_job* job = nullptr;           // while it has no worker: what it was employed for instead
  fiber* wired = nullptr;               // the one fiber it runs for life
  std::atomic<bool> wired_ready{false}; // that fiber is runnable
  std::atomic<uint32_t> call{0};        // where it sleeps when not in the poller; 1 calls it
  bool called = false;                  // while it sleeps idle: chosen to look for work
  bool taken = false;                   // while it has no worker: it will get one
  bool started = false;                 // `thread` is to be joined
  bool poll_due = false;                // the next scheduling decision looks at the poller first
  deadline polled = 0;                  // when it last did so with fibers to run
  std::atomic<uint64_t> preempt_turn{0};  // the turn of `running` that the monitor wants to end, plus 1
  bool stays = false;                   // never retired: the main kernel thread, or it has forked
  bool tainted = false;                 // its kernel state is that of a wired fiber that has ended
  unsigned index = 0;
  int kernel_tid = 0;
  int state_file = -1;                  // /proc/…/stat of its kernel thread
  pthread_t thread{};                   // not for the first carrier of a preloaded program
  uint32_t tries = 0;                   // operations since the running fiber's turn began
  deadline sleeps_until = never;        // while it sleeps idle
  deadline busy_since = 0;              // when it last stopped being idle, and its worker's turns then
  uint32_t busy_since_turn = 0;
  int64_t usual_burst = 0;              // how long it is busy between two idle times, on the high side
  int64_t usual_turn = 1'000'000;       // how long a fiber has it, on the high side
  uint64_t random = 0;
  counters count;

  // What the kernel has for this thread; adopt_kernel_state() makes it what the fiber needs.
  uint64_t kernel_mask = 0;
  const std::atomic<uint64_t>* base_mask = nullptr;  // what it should have, but for what follows the fiber
  std::atomic<bool> mask_held{false};  // its mask is being changed: signal 33 leaves it alone
  uint32_t mask_owner = 0;             // the fiber whose SIGPIPE bit kernel_mask has
  stack_t alternate_stack{};
  stack_t own_alternate_stack{};
};

// The slow half of owns_worker().
bool still_owns_worker(carrier& c);

// True if `c`, on which the caller runs inside the runtime, owns its worker, and so will do until
// the runtime is left. The first half is enough where it says so.
inline bool owns_worker_at_a_glance(carrier& c) {
  worker* w = std::atomic_ref(c.owned).load(std::memory_order_acquire);
  return w != nullptr && w->epoch.load(std::memory_order_acquire) == c.owned_epoch;
}
inline bool owns_worker(carrier& c) {
  if (owns_worker_at_a_glance(c)) [[likely]]
    return true;
  return std::atomic_ref(c.owned).load(std::memory_order_relaxed) != nullptr && still_owns_worker(c);
}

// The carriers: a table that grows, and the spare ones among them.
namespace carriers {

// Reserves the table. Returns 0 or an error number.
int reserve();
// A free place in the table, with an alternate stack; null if there is none.
carrier* make();
// By the kernel thread of `c`, before it serves: notes who it is. end(): before it ends.
void begin(carrier& c);
void end(carrier& c);
// What the kernel says of it: R, S, D, T…; 0 if that cannot be told.
char state_of(const carrier& c);
// Descriptors of ours: true for those, and the lowest that is >= `first`, -1 if there is none.
bool owns(int fd);
int lowest_owned(int first);

// Starts the kernel thread of `c`. Returns 0 or an error number.
int start_thread(carrier& c);

// A carrier without a worker, for a worker that needs one or for a job: a spare one, or a new one. Null if
// none can be started. Once it owns the worker, or has the job, it is employed; else it goes back.
carrier* take_spare(bool may_make = true);
// The same for a job: not the main kernel thread, on which the process's signals would interrupt it.
carrier* take_spare_for_job(bool may_make);
void employ(carrier& c);
// One that serves `f` alone, started by the caller's kernel thread. Null if it cannot be.
carrier* make_wired(fiber& f);
void give_back(carrier& c);
// Wakes a carrier that sleeps on its call.
void call(carrier& c);

// By a carrier without a worker: sleeps until it has got one, or a job. False if it should end instead, because
// nobody has needed it for a while (or `stopping` is set, which call_all() has it see).
bool await_worker(carrier& c, const std::atomic<bool>& stopping);
void call_all();
// From now on none ends for want of work.
VERVET_DOOR void keep_all();
// Waits for the end of every kernel thread that was started, and forgets them.
void join_all();

// In order of their making; null beyond the last.
VERVET_DOOR carrier* at(unsigned index);

// In a forked child. The table stays mapped: the surviving fiber may look at its carrier once more.
void forget_all();

}  // namespace carriers
}  // namespace vervet
