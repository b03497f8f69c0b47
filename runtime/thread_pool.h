// Pools of native kernel threads, for what blocks and cannot be waited for: jobs run there while
// whoever wants their results is parked.
//
// A thread is made when a job comes and none is idle, up to the pool's limit; one that was idle for
// long ends. The pool allocates nothing: a job is its submitter's memory (abi.h), a thread's record
// lies on its own stack. Idle threads are told to deadlock.h, busy ones are not: they may unpark
// somebody.
#pragma once

#include <atomic>
#include <stddef.h>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/job_queue.h"
#include "runtime/lock.h"
#include "vervet/abi.h"

namespace vervet::thread_pool {

struct idle_thread;

struct counts {
  unsigned threads;
  unsigned idle;
  size_t unfinished;  // jobs
};
// Of the pool that vervet_offload() uses.
counts of_default_pool();

}  // namespace vervet::thread_pool

struct vervet_thread_pool {
  constexpr vervet_thread_pool(unsigned most_threads, size_t most_queued, int64_t longest_idle)
      : limit(most_threads), patience(longest_idle), queue(most_queued) {}

  vervet::lock guard;  // of what follows
  unsigned limit;      // threads at most; 0: to be set by the CPUs there are
  int64_t patience;    // how long a thread stays idle before it ends
  bool ending = false;
  std::atomic<unsigned> threads{0};
  unsigned idle = 0;
  uint32_t generation = 0;  // forks survived
  vervet::thread_pool::job_queue queue;
  vervet::thread_pool::idle_thread* idle_threads = nullptr;  // the latest first
  std::atomic<size_t> unfinished{0};                         // jobs, waiting or under way
  vervet_thread_pool* next = nullptr;                        // of all pools
};
