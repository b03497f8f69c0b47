#include "runtime/offload.h"

#include <atomic>
#include <errno.h>

#include "runtime/carrier.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"
#include "vervet/vervet.h"

namespace vervet {

// Lies on the stack of the fiber that waits for it.
struct offload_job {
  long number;
  long arguments[6];
  long result = 0;
  std::atomic<bool> done{false};
  offload_job* next_queued = nullptr;
};

namespace {

constexpr unsigned most_at_once = 16;
constexpr unsigned enough_for_brief = 1;

lock pool_lock;
fifo<offload_job> waiting;  // while `most_at_once` are under way
unsigned under_way;

void run(offload_job& j) {
  const long* a = j.arguments;
  j.result = sys::call(j.number, a[0], a[1], a[2], a[3], a[4], a[5]);
  // The job may be gone as soon as it is done; its address is still a good one to call out.
  // A locked instruction, as the lot wants it before the look whether somebody sleeps.
  j.done.exchange(true, std::memory_order_seq_cst);
  lot::unpark(&j, 1);
}

// The next job, else one less is under way.
offload_job* next_job() {
  lock_guard guard(pool_lock);
  offload_job* next = waiting.pop();
  if (next == nullptr) --under_way;
  return next;
}

// Hands the job to a spare carrier. False if `enough` are busy, or there is none and, unless
// `may_make`, none is to be made.
bool submit(offload_job& j, unsigned enough, bool may_make) {
  {
    lock_guard guard(pool_lock);
    if (under_way >= enough) {
      if (enough != most_at_once) return false;
      waiting.push(&j);
      return true;
    }
    ++under_way;
  }
  if (carrier* c = carriers::take_spare_for_job(may_make)) {
    c->job = &j;
    carriers::employ(*c);
    return true;
  }
  // What was queued meanwhile counts on somebody who takes it.
  for (offload_job* other = next_job(); other != nullptr; other = next_job()) run(*other);
  return false;
}

}  // namespace

void serve_jobs(carrier& c) {
  offload_job* j = c.job;
  c.job = nullptr;
  for (; j != nullptr; j = next_job()) run(*j);
}

namespace {

// Waits for the end of the job, which was submitted.
long result_of(offload_job& j) {
  auto unfinished = [&] { return !j.done.load(std::memory_order_acquire); };
  lot::request wait{.address = &j,
                    .what = wait_for::offload,
                    .interruptible = wait_class::uninterruptible,
                    .validate = unfinished};
  while (unfinished()) lot::park(wait);
  return j.result;
}

// A wired fiber's kernel thread has a state that the pool's threads lack, and must not get from it as
// their maker. It has nobody else to serve either.
bool must_call_itself() {
  fiber* self = thread::self();
  return self != nullptr && self->wired_to != nullptr;
}

// On an OS thread: there may be no carriers at all.
long call_in_pool(offload_job& j) {
  auto call = [](void* argument) -> void* {
    auto& job = *static_cast<offload_job*>(argument);
    const long* a = job.arguments;
    job.result = sys::call(job.number, a[0], a[1], a[2], a[3], a[4], a[5]);
    return nullptr;
  };
  program_scope outside;
  int error = vervet_offload(call, &j, nullptr);
  if (error == 0) return j.result;
  if (error == ECANCELED) return -ECANCELED;
  call(&j);
  return j.result;
}

}  // namespace

long offload(long number, long a, long b, long c, long d, long e, long f) {
  offload_job j{number, {a, b, c, d, e, f}};
  if (self_state.host == nullptr) return call_in_pool(j);
  if (!must_call_itself() && submit(j, most_at_once, true)) return result_of(j);
  // Short of threads, blocking this carrier is the lesser evil.
  program_scope outside;
  return sys::call(number, a, b, c, d, e, f);
}

long offload_brief(long number, long a, long b, long c) {
  if (self_state.host == nullptr) return offload(number, a, b, c);
  offload_job j{number, {a, b, c}};
  // Where nobody waits for the carrier, or another kernel thread would be one too many, it waits itself.
  if (!must_call_itself() && scheduler::work_waits() &&
      submit(j, enough_for_brief, scheduler::within_budget()))
    return result_of(j);
  program_scope outside;
  return sys::call(number, a, b, c);
}

void offload_forget() {
  pool_lock.reset();
  waiting = {};
  under_way = 0;
}

}  // namespace vervet
