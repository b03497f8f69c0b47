#include "runtime/thread_pool.h"

#include <errno.h>
#include <new>
#include <pthread.h>
#include <stdlib.h>

#include "runtime/check.h"
#include "runtime/deadlock.h"
#include "runtime/kernel_threads.h"
#include "runtime/native_thread.h"
#include "runtime/parking_lot.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet::thread_pool {

// On the thread's own stack.
struct idle_thread {
  idle_thread* next = nullptr;
  vervet_job* job = nullptr;  // null when called: the pool ends
  std::atomic<uint32_t> called{0};
};

namespace {

constexpr int64_t default_patience = 5'000'000'000;
constexpr unsigned least_default_limit = 8;
constexpr unsigned threads_per_cpu = 4;
constexpr unsigned most_threads = 32768;

// The default pool's jobs wait on the stacks of callers that are parked anyway: no bound is needed.
constinit vervet_thread_pool default_pool{0, SIZE_MAX, default_patience};

lock pools_lock;
vervet_thread_pool* pools = &default_pool;  // whole at every moment, for fork's sake
std::atomic<bool> fork_watched{false};

// The pool whose thread this is.
thread_local vervet_thread_pool* pool_of_thread __attribute__((tls_model("initial-exec")));

void forget(vervet_thread_pool& pool) {
  pool.guard.reset();
  note_runtime_thread(-static_cast<int>(pool.idle));
  ++pool.generation;
  pool.threads.store(0, std::memory_order_relaxed);
  pool.idle = 0;
  pool.idle_threads = nullptr;
  pool.queue.forget();
  pool.unfinished.store(0, std::memory_order_relaxed);
}

// Nothing is held across fork: the child has none of the threads, and jobs that had not ended never
// will there.
void after_fork_in_child() {
  pools_lock.reset();
  for (vervet_thread_pool* p = pools; p != nullptr; p = p->next) forget(*p);
}

// REQUIRES: outside of the runtime, for libc allocates.
void watch_fork() {
  if (fork_watched.load(std::memory_order_relaxed)) [[likely]]
    return;
  if (fork_watched.exchange(true, std::memory_order_relaxed)) return;
  pthread_atfork(nullptr, nullptr, after_fork_in_child);
}

unsigned limit_of(vervet_thread_pool& pool) {
  if (pool.limit == 0) {
    unsigned wanted = usable_cpus() * threads_per_cpu;
    pool.limit = wanted < least_default_limit ? least_default_limit : wanted;
  }
  return pool.limit;
}

void admit(submitter* who) {
  if (who != nullptr) lot::unpark(&who->admitted, 1);
}

void finish_job(vervet_thread_pool& pool) {
  if (pool.unfinished.fetch_sub(1, std::memory_order_seq_cst) == 1)
    lot::unpark(&pool.unfinished, ~0u);
}

// The thread ends; the pool may be gone on return.
void end_thread(vervet_thread_pool& pool) {
  bool last = pool.threads.fetch_sub(1, std::memory_order_seq_cst) == 1;
  bool awaited = last && pool.ending;
  pool.guard.release();
  if (awaited) lot::unpark(&pool.threads, ~0u);
}

// False if nobody called it for as long as the pool's patience lasts.
bool sleep(idle_thread& self, deadline until) {
  timespec at = timespec_of(until);
  while (self.called.load(std::memory_order_acquire) == 0)
    if (sys::futex_wait(&self.called, 0, &at) == -ETIMEDOUT) return false;
  return true;
}

void unlink(vervet_thread_pool& pool, idle_thread& self) {
  idle_thread** at = &pool.idle_threads;
  while (*at != &self) at = &(*at)->next;
  *at = self.next;
}

// The next job for a thread that has none; null: it ends, and has been counted out.
vervet_job* next_job(vervet_thread_pool& pool) {
  idle_thread self;
  pool.guard.acquire();
  submitter* admitted = nullptr;
  if (vervet_job* job = pool.queue.pop(admitted)) {
    pool.guard.release();
    admit(admitted);
    return job;
  }
  if (pool.ending) {
    end_thread(pool);
    return nullptr;
  }
  self.next = pool.idle_threads;
  pool.idle_threads = &self;
  ++pool.idle;
  note_runtime_thread(+1);
  deadline until = after(pool.patience);
  pool.guard.release();

  bool called = sleep(self, until);
  if (called && self.job != nullptr) return self.job;
  pool.guard.acquire();
  if (self.called.load(std::memory_order_relaxed) == 0) {
    unlink(pool, self);
    --pool.idle;
    note_runtime_thread(-1);
  } else if (self.job != nullptr) {
    pool.guard.release();
    return self.job;
  }
  end_thread(pool);
  return nullptr;
}

// `first` names its pool where a waiting job would name its submitter.
void* run_thread(void* first) {
  runtime_scope inside_runtime;
  auto* job = static_cast<vervet_job*>(first);
  auto& pool = *static_cast<vervet_thread_pool*>(job->submitter);
  uint32_t generation = pool.generation;
  pool_of_thread = &pool;
  sys::name_thread("vervet-pool");
  while (job != nullptr) {
    runtime_scope::leave();
    job->run(job);
    runtime_scope::enter();
    // A child that the job forked: its only thread, and none of the pool's.
    if (generation != pool.generation) return nullptr;
    finish_job(pool);
    job = next_job(pool);
  }
  return nullptr;
}

// Gives the job to an idle thread. It does not count as idle from here on, so that nobody who waits
// for the job is told that it never ends.
idle_thread* call_idle(vervet_thread_pool& pool, vervet_job* job) {
  idle_thread* t = pool.idle_threads;
  if (t == nullptr) return nullptr;
  pool.idle_threads = t->next;
  --pool.idle;
  note_runtime_thread(-1);
  t->job = job;
  t->called.store(1, std::memory_order_release);
  return t;
}

// A thread that others counted on could not be made. If it would have been the only one, what they
// have queued meanwhile is done here: by the kernel thread of the caller, which it holds up.
void give_up_thread(vervet_thread_pool& pool) {
  pool.guard.acquire();
  while (pool.threads.load(std::memory_order_relaxed) == 1) {
    submitter* admitted = nullptr;
    vervet_job* job = pool.queue.pop(admitted);
    if (job == nullptr) break;
    pool.guard.release();
    admit(admitted);
    runtime_scope::leave();
    job->run(job);
    runtime_scope::enter();
    finish_job(pool);
    pool.guard.acquire();
  }
  end_thread(pool);
}

enum class placed { with_thread, inside, outside, nowhere };

placed place(vervet_thread_pool& pool, vervet_job& job, submitter* waits) {
  for (bool may_make = true;; may_make = false) {
    pool.guard.acquire();
    if (idle_thread* t = call_idle(pool, &job)) {
      pool.guard.release();
      sys::futex_wake(&t->called, 1);
      return placed::with_thread;
    }
    bool make = may_make && pool.threads.load(std::memory_order_relaxed) < limit_of(pool);
    if (!make) {
      // Some thread is busy, and will come to it; or none could be made.
      bool none = pool.threads.load(std::memory_order_relaxed) == 0;
      bool waits_outside = !none && pool.queue.push(job, waits);
      pool.guard.release();
      return none ? placed::nowhere : waits_outside ? placed::outside : placed::inside;
    }
    pool.threads.fetch_add(1, std::memory_order_relaxed);
    pool.guard.release();
    job.submitter = &pool;
    if (start_native_thread(nullptr, run_thread, &job, 0) == 0) return placed::with_thread;
    give_up_thread(pool);
  }
}

bool withdraw(vervet_thread_pool& pool, vervet_job& job) {
  pool.guard.acquire();
  submitter* admitted = nullptr;
  bool removed = pool.queue.remove(job, admitted);
  pool.guard.release();
  admit(admitted);
  if (removed) finish_job(pool);
  return removed;
}

int not_admitted(void* self) {
  return static_cast<submitter*>(self)->admitted.load(std::memory_order_acquire) == 0;
}

// By a submitter whose wait for room was ended. Returns whether it was admitted all the same.
bool give_up(vervet_thread_pool& pool, vervet_job& job, submitter& self) {
  runtime_scope scope;
  pool.guard.acquire();
  bool admitted = !not_admitted(&self);
  submitter* other = nullptr;
  if (!admitted) pool.queue.remove(job, other);
  pool.guard.release();
  admit(other);
  if (!admitted) finish_job(pool);
  return admitted;
}

placed try_submit(vervet_thread_pool& pool, vervet_job& job, submitter* waits) {
  runtime_scope scope;
  job.queued = 0;
  pool.unfinished.fetch_add(1, std::memory_order_relaxed);
  placed where = place(pool, job, waits);
  if (where == placed::nowhere) finish_job(pool);
  return where;
}

int submit(vervet_thread_pool& pool, vervet_job& job, bool waits, deadline until) {
  watch_fork();
  submitter self;
  placed where = try_submit(pool, job, waits ? &self : nullptr);
  if (where == placed::nowhere) return EAGAIN;
  if (where != placed::outside) return 0;
  // From its admission on the job may be over, and its memory gone.
  while (not_admitted(&self)) {
    int error = vervet_park(&self.admitted, not_admitted, &self, until, 0);
    if (error != 0 && !give_up(pool, job, self)) return error;
  }
  return 0;
}

// One that its caller waits for; on its stack.
struct awaited_job : vervet_job {
  void* (*function)(void*);
  void* argument;
  void* result = nullptr;
  std::atomic<uint32_t> done{0};

  static void perform(vervet_job* job) {
    auto* self = static_cast<awaited_job*>(job);
    self->result = self->function(self->argument);
    // The job may be gone once it is done: the address alone is used.
    const void* address = &self->done;
    self->done.exchange(1, std::memory_order_seq_cst);
    vervet_unpark(address, 1);
  }
  static int unfinished(void* job) {
    return static_cast<awaited_job*>(job)->done.load(std::memory_order_acquire) == 0;
  }
};

int apply(vervet_thread_pool& pool, void* (*function)(void*), void* argument, void** result) {
  awaited_job job{};
  job.run = awaited_job::perform;
  job.function = function;
  job.argument = argument;
  int error = submit(pool, job, false, never);
  if (error != 0) return error;
  unsigned flags = VERVET_PARK_OUTSIDE;
  while (awaited_job::unfinished(&job)) {
    if (vervet_park(&job.done, awaited_job::unfinished, &job, never, flags) != ECANCELED) continue;
    {
      runtime_scope scope;
      if (withdraw(pool, job)) return ECANCELED;
    }
    // Under way. The cut stays due, for the next wait.
    flags |= VERVET_PARK_UNCUT;
  }
  if (result != nullptr) *result = job.result;
  return 0;
}

}  // namespace

counts of_default_pool() {
  runtime_scope scope;
  lock_guard guard(default_pool.guard);
  return {default_pool.threads.load(std::memory_order_relaxed), default_pool.idle,
          default_pool.unfinished.load(std::memory_order_relaxed)};
}

}  // namespace vervet::thread_pool

using namespace vervet;
using namespace vervet::thread_pool;

int vervet_thread_pool_make(vervet_thread_pool** pool, unsigned threads, size_t queued,
                            int64_t idle) {
  if (threads > most_threads) return EINVAL;
  void* memory = malloc(sizeof(vervet_thread_pool));
  if (memory == nullptr) return ENOMEM;
  auto* made = new (memory) vervet_thread_pool(threads, queued, idle > 0 ? idle : default_patience);
  watch_fork();
  runtime_scope scope;
  lock_guard guard(pools_lock);
  made->next = pools;
  std::atomic_signal_fence(std::memory_order_release);
  pools = made;
  *pool = made;
  return 0;
}

int vervet_thread_pool_submit(vervet_thread_pool* pool, vervet_job* job, int64_t deadline) {
  return submit(pool != nullptr ? *pool : default_pool, *job, true, deadline);
}

int vervet_thread_pool_withdraw(vervet_thread_pool* pool, vervet_job* job) {
  runtime_scope scope;
  return withdraw(pool != nullptr ? *pool : default_pool, *job);
}

int vervet_thread_pool_apply(vervet_thread_pool* pool, void* (*function)(void*), void* argument,
                             void** result) {
  if (pool_of_thread != nullptr && (pool == nullptr || pool == pool_of_thread)) {
    void* returned = function(argument);
    if (result != nullptr) *result = returned;
    return 0;
  }
  return apply(pool != nullptr ? *pool : default_pool, function, argument, result);
}

int vervet_thread_pool_join(vervet_thread_pool* pool, int64_t deadline) {
  vervet_thread_pool& of = pool != nullptr ? *pool : default_pool;
  auto unfinished = [](void* p) -> int {
    return static_cast<vervet_thread_pool*>(p)->unfinished.load(std::memory_order_acquire) != 0;
  };
  while (unfinished(&of)) {
    int error = vervet_park(&of.unfinished, unfinished, &of, deadline, 0);
    if (error != 0 && unfinished(&of)) return error;
  }
  return 0;
}

vervet_thread_pool* vervet_thread_pool_here() { return pool_of_thread; }

void vervet_thread_pool_free(vervet_thread_pool* pool) {
  if (pool == nullptr) return;
  CHECK(pool != pool_of_thread, "a thread pool is freed by a job of its own");
  {
    runtime_scope scope;
    pool->guard.acquire();
    pool->ending = true;
    while (idle_thread* t = call_idle(*pool, nullptr)) sys::futex_wake(&t->called, 1);
    pool->guard.release();
    auto any = [&] { return pool->threads.load(std::memory_order_seq_cst) != 0; };
    while (any())
      lot::park({.address = &pool->threads,
                 .what = wait_for::offload,
                 .interruptible = wait_class::uninterruptible,
                 .validate = any});
    // The last thread may still be about to let go of the lock.
    pool->guard.acquire();
    pool->guard.release();
    lock_guard guard(pools_lock);
    vervet_thread_pool** at = &pools;
    while (*at != pool) at = &(*at)->next;
    *at = pool->next;
  }
  free(pool);
}

int vervet_offload(void* (*function)(void*), void* argument, void** result) {
  return vervet_thread_pool_apply(nullptr, function, argument, result);
}

int vervet_offload_threads(unsigned most) {
  if (most == 0 || most > most_threads) return EINVAL;
  runtime_scope scope;
  lock_guard guard(default_pool.guard);
  default_pool.limit = most;
  return 0;
}
