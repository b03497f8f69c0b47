// The jobs that wait for a thread of a pool (thread_pool.h), and who waits to add one.
#pragma once

#include <atomic>
#include <stddef.h>
#include <stdint.h>

#include "vervet/abi.h"

namespace vervet::thread_pool {

// Whoever waits for room in the queue; on its stack.
struct submitter {
  std::atomic<uint32_t> admitted{0};
};

// The waiting jobs, first in first out. The first few are *inside*: nobody waits for them to get
// in. Those behind are *outside*, their submitters parked. Thread safety: none.
class job_queue {
 public:
  explicit constexpr job_queue(size_t most_inside) : most_inside_(most_inside) {}

  bool empty() const { return first_ == nullptr; }

  // At the end. Returns whether it stands outside; never if `waits` is null and nobody does
  // already.
  bool push(vervet_job& job, submitter* waits);
  // Null if there is none. What follows may let one more inside: `admitted` is then whom to unpark.
  vervet_job* pop(submitter*& admitted);
  // False if it is not in the queue.
  bool remove(vervet_job& job, submitter*& admitted);
  void forget() { *this = job_queue(most_inside_); }

 private:
  void unlink(vervet_job& job);
  submitter* admit();

  vervet_job* first_ = nullptr;
  vervet_job* last_ = nullptr;
  vervet_job* first_outside_ = nullptr;
  size_t inside_ = 0;
  size_t most_inside_;
};

}  // namespace vervet::thread_pool
