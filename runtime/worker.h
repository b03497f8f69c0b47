// A worker is the right to run fibers, with a queue of those that are runnable; a carrier is the
// kernel thread that exercises it at the moment.
//
// Who owns a worker is told by its epoch. A carrier that stays in one fiber's code for too long is
// relieved of its worker by the monitor while that code runs on: nothing may rely on a worker that
// was owned before the fiber last left the runtime. The protocol:
//
//   monitor                                   carrier, on each entry that needs its worker
//   epoch: even e -> e + 1   (claimed)        in_runtime = 1          (a plain store)
//   barrier on every CPU                      is the epoch the one it took the worker at?
//   in_runtime == 0 and still that fiber?       yes: owner until in_runtime is 0 again
//     yes: epoch = e + 2, another's now         e + 1: waits until the monitor has decided
//     no:  epoch = e, as it was                 else: it has no worker any more
//
// The barrier is what a store-load fence in each entry would be: a carrier whose store came before it
// is seen inside the runtime and left alone, wherever the kernel has stopped it; one whose store
// comes after it sees the claim.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/run_queue.h"

namespace vervet {

struct carrier;

struct worker {
  std::atomic<uint64_t> epoch{0};
  std::atomic<carrier*> owner{nullptr};  // changes with the epoch
  std::atomic<uint32_t> turns{0};        // how many fibers had their turn; written by the owner alone
  unsigned index = 0;
  run_queue queue;
  shared_queue sent;  // by others, for this worker first (spawn_options.worker)

  uint32_t next_turn() {
    uint32_t turn = turns.load(std::memory_order_relaxed) + 1;
    turns.store(turn, std::memory_order_relaxed);
    return turn;
  }
};

// Every kernel thread of the process that runs at this moment executes a full barrier before this
// returns; one that does not run had one when it was switched out. REQUIRES: ownership_start().
void barrier_on_every_cpu();

// Prepares the process for take_over(). Once, before there is a second thread: then it is quick.
void ownership_start();

// Gives `w`, which nobody owns, to `heir`, before either runs.
void give_worker(worker& w, carrier& heir);

// Whether `from`, which has `w`, is in the code of the fiber that it has been running since the turn
// `turn`. Without a claim that is only a guess.
bool runs_program(const worker& w, const carrier& from, uint32_t turn);

// Makes `heir` the owner of `w` if `from` owns it and has been in the code of the fiber that it runs
// since the turn `turn`. Only by the monitor. `heir` must own no worker, and learns of it by its call.
bool take_over(worker& w, carrier& from, uint32_t turn, carrier& heir);

// The caller, whose carrier `from` is, leaves the worker to `heir`. REQUIRES: owns_worker(from).
void leave_worker_to(carrier& from, carrier& heir);

// An identity that a carrier may be seen running is about to be unmapped: waits until no monitor
// looks at it.
void await_no_inspection();

// In a forked child.
void ownership_forget();

}  // namespace vervet
