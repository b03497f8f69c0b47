#include "runtime/offload.h"

#include <atomic>
#include <pthread.h>
#include <signal.h>

#include "runtime/deadline.h"
#include "runtime/list.h"
#include "runtime/lock.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

// Lies on the stack of the fiber that waits for it.
struct job {
  long number;
  long arguments[6];
  long result = 0;
  std::atomic<bool> done{false};
  job* next_queued = nullptr;
};

constexpr unsigned most_threads = 16;
constexpr unsigned enough_for_brief = 1;
constexpr int64_t idle_life = 1'000'000'000;
constexpr size_t thread_stack_size = 256 * 1024;

lock pool_lock;
fifo<job> jobs;
unsigned jobs_queued;
unsigned threads;
unsigned busy;                     // threads that are inside a job; the others take one soon
std::atomic<uint32_t> tickets{0};  // bumped at each job: what idle threads sleep on

// The next job; null once there was none for `idle_life`, and then the thread is not counted any
// more.
job* take() {
  deadline until = after(idle_life);
  timespec at = timespec_of(until);
  lock_guard guard(pool_lock);
  for (;;) {
    if (job* next = jobs.pop()) {
      --jobs_queued;
      ++busy;
      return next;
    }
    if (now() >= until) {
      --threads;
      return nullptr;
    }
    uint32_t seen = tickets.load(std::memory_order_relaxed);
    pool_lock.release();
    sys::futex_wait(&tickets, seen, &at);
    pool_lock.acquire();
  }
}

void* serve(void*) {
  // Its own calls into libc, and an allocator's into us, must never park.
  self_state.in_runtime = 1;
  sys::name_thread("vervet-offload");
  while (job* next = take()) {
    const long* a = next->arguments;
    next->result = sys::call(next->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    {
      lock_guard guard(pool_lock);
      --busy;
    }
    // The job may be gone as soon as it is done; its address is still a good one to call out.
    // A locked instruction, as the lot wants it before the look whether somebody sleeps.
    next->done.exchange(true, std::memory_order_seq_cst);
    lot::unpark(next, 1);
  }
  scheduler::note_kernel_thread(-1);
  return nullptr;
}

// Starts a thread that has been counted already.
bool start_thread() {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  sigset_t all;
  sigfillset(&all);
  pthread_attr_setsigmask_np(&attributes, &all);
  pthread_attr_setstacksize(&attributes, thread_stack_size);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t handle;
  scheduler::note_kernel_thread(+1);
  int error = libc.pthread_create(&handle, &attributes, serve, nullptr);
  if (error != 0) scheduler::note_kernel_thread(-1);
  pthread_attr_destroy(&attributes);
  return error == 0;
}

// Hands the job to the pool. False if there is no thread to run it and none can be started, or all of
// `enough` threads are busy and the caller would rather do without.
bool submit(job& j, unsigned enough) {
  {
    lock_guard guard(pool_lock);
    bool idle = threads - busy > jobs_queued;
    if (!idle && threads >= enough && enough != most_threads) return false;
    if (idle || threads == most_threads) {
      jobs.push(&j);
      ++jobs_queued;
      tickets.fetch_add(1, std::memory_order_release);
      sys::futex_wake(&tickets, 1);
      return true;
    }
    ++threads;
  }
  bool started = start_thread();
  lock_guard guard(pool_lock);
  if (!started && --threads == 0) return false;
  jobs.push(&j);
  ++jobs_queued;
  tickets.fetch_add(1, std::memory_order_release);
  sys::futex_wake(&tickets, 1);
  return true;
}

}  // namespace

namespace {

// Waits for the end of the job, which was submitted.
long result_of(job& j) {
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

}  // namespace

long offload(long number, long a, long b, long c, long d, long e, long f) {
  job j{number, {a, b, c, d, e, f}};
  if (!must_call_itself() && submit(j, most_threads)) return result_of(j);
  // Short of threads, blocking this carrier is the lesser evil.
  program_scope outside;
  return sys::call(number, a, b, c, d, e, f);
}

long offload_brief(long number, long a, long b, long c) {
  job j{number, {a, b, c}};
  // Where nobody waits for the carrier, or another kernel thread would be one too many, it waits itself.
  unsigned enough = scheduler::within_budget() ? enough_for_brief : 0;
  if (!must_call_itself() && scheduler::work_waits() && submit(j, enough)) return result_of(j);
  program_scope outside;
  return sys::call(number, a, b, c);
}

void offload_forget() {
  pool_lock.reset();
  jobs = {};
  jobs_queued = 0;
  threads = 0;
  busy = 0;
}

}  // namespace vervet
