#include "runtime/job_queue.h"

namespace vervet::thread_pool {
namespace {

// vervet_job::queued; 0: it is in no queue.
constexpr uint32_t inside = 1;
constexpr uint32_t outside = 2;

}  // namespace

bool job_queue::push(vervet_job& job, submitter* waits) {
  job.submitter = nullptr;
  job.next = nullptr;
  job.previous = last_;
  (last_ != nullptr ? last_->next : first_) = &job;
  last_ = &job;
  if (first_outside_ == nullptr && (inside_ < most_inside_ || waits == nullptr)) {
    ++inside_;
    job.queued = inside;
    return false;
  }
  if (first_outside_ == nullptr) first_outside_ = &job;
  job.submitter = waits;
  job.queued = outside;
  return waits != nullptr;
}

void job_queue::unlink(vervet_job& job) {
  if (&job == first_outside_) first_outside_ = job.next;
  if (job.queued == inside) --inside_;
  job.queued = 0;
  (job.previous != nullptr ? job.previous->next : first_) = job.next;
  (job.next != nullptr ? job.next->previous : last_) = job.previous;
}

// Lets the first one outside in if there is room.
submitter* job_queue::admit() {
  while (first_outside_ != nullptr && inside_ < most_inside_) {
    vervet_job& job = *first_outside_;
    first_outside_ = job.next;
    job.queued = inside;
    ++inside_;
    auto* waits = static_cast<submitter*>(job.submitter);
    if (waits == nullptr) continue;
    waits->admitted.store(1, std::memory_order_seq_cst);
    return waits;
  }
  return nullptr;
}

vervet_job* job_queue::pop(submitter*& admitted) {
  vervet_job* job = first_;
  if (job == nullptr) return nullptr;
  bool was_outside = job->queued == outside;
  unlink(*job);
  if (!was_outside) {
    admitted = admit();
    return job;
  }
  admitted = static_cast<submitter*>(job->submitter);
  if (admitted != nullptr) admitted->admitted.store(1, std::memory_order_seq_cst);
  return job;
}

bool job_queue::remove(vervet_job& job, submitter*& admitted) {
  if (job.queued == 0) return false;
  unlink(job);
  admitted = admit();
  return true;
}

}  // namespace vervet::thread_pool
