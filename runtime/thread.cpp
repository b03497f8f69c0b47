#include "runtime/thread.h"

#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "runtime/cancel.h"
#include "runtime/check.h"
#include "runtime/fiber_store.h"
#include "runtime/fs_base.h"
#include "runtime/identity.h"
#include "runtime/interrupt.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/signal.h"
#include "runtime/thread_internal.h"
#include "runtime/thread_state.h"

extern "C" {
// libc's landing place for pthread_exit: what pthread_cleanup_push compiles to in C.
int __sigsetjmp(struct __jmp_buf_tag*, int) noexcept __attribute__((returns_twice));
void __pthread_register_cancel(__pthread_unwind_buf_t*);
void __pthread_unregister_cancel(__pthread_unwind_buf_t*);
// Runs the thread_local destructors of the calling identity.
void __call_tls_dtors();
}

namespace vervet {

libc_functions libc = {&::pthread_create, &::pthread_join, &::pthread_exit, &::pthread_setspecific,
                       &::pthread_getspecific};
constinit thread_local thread_state self_state __attribute__((tls_model("initial-exec"))) = {};
std::atomic<bool> fibers_exist{false};

namespace thread {
namespace {

lock alive_lock;
list<fiber_alive> alive;
std::atomic<unsigned> alive_total{0};
std::atomic<unsigned> alive_peak{0};
std::atomic<uint64_t> created_total{0};
std::atomic<uint64_t> next_number{1};
fiber* the_main_fiber;

void register_alive(fiber& f) {
  lock_guard guard(alive_lock);
  alive.push_back(static_cast<fiber_alive*>(&f));
  unsigned total = alive_total.fetch_add(1, std::memory_order_relaxed) + 1;
  if (total > alive_peak.load(std::memory_order_relaxed))
    alive_peak.store(total, std::memory_order_relaxed);
}

void unregister_alive(fiber& f) {
  lock_guard guard(alive_lock);
  list<fiber_alive>::remove(static_cast<fiber_alive*>(&f));
}

// Runs the start routine with a landing place below it for pthread_exit and cancellation.
[[gnu::noinline]] void run_start(fiber& f) {
  __pthread_unwind_buf_t landing;
  if (__sigsetjmp(reinterpret_cast<struct __jmp_buf_tag*>(landing.__cancel_jmp_buf), 0) != 0)
    return;  // unwound to here; exit() has noted the result
  __pthread_register_cancel(&landing);
  f.thread.result = f.thread.start(f.thread.argument);
  __pthread_unregister_cancel(&landing);
}

// A recycled context would bring the last thread's floating-point environment along.
void take_over_float_control(const thread_part& t) {
  asm volatile("fnclex\n\tfldcw %0\n\tldmxcsr %1" ::"m"(t.x87_control), "m"(t.sse_control));
}

void note_float_control(thread_part& t) {
  asm volatile("fnstcw %0\n\tstmxcsr %1" : "=m"(t.x87_control), "=m"(t.sse_control));
}

// The program's code that belongs to the end of a thread.
void run_destructors(fiber& f) {
  f.thread.cancel_disabled = true;
  __call_tls_dtors();
  run_key_destructors();
  f.thread.exiting = true;
}

// Runs after the fiber's last switch: from here on it may be recycled, or its stack unmapped.
void commit_end(void* argument) {
  fiber& f = *static_cast<fiber*>(argument);
  f.life.store(fiber_life::finished, std::memory_order_release);
  thread_fate fate = thread_fate::joinable;
  if (!f.thread.fate.compare_exchange_strong(fate, thread_fate::ended, std::memory_order_acq_rel))
    fiber_store::give(f);
  else
    lot::unpark(&f.thread.fate, ~0u);
}

void end_of_thread(fiber& f) {
  run_destructors(f);
  // The last thread ends the process, as libc's own last thread would.
  if (alive_total.fetch_sub(1, std::memory_order_acq_rel) == 1 && scheduler::ends_with_last_fiber())
    ::exit(0);
  runtime_scope::enter();
  identity::hand_over_robust_mutexes(f.thread.id);
  fiber_mask_ended(f);
  unregister_alive(f);
  scheduler::unwire(f);
}

// In a forked child the fiber that forked goes on as the main thread, and ends as that.
[[noreturn]] void end_as_main() {
  if (self() != nullptr) end_current();
  __call_tls_dtors();
  run_key_destructors();
  ::exit(0);
}

// The life of an identity: one start routine after another.
void serve(void* argument) {
  fiber& f = *static_cast<fiber*>(argument);
  for (bool fresh = true;; fresh = false) {
    if (!fresh) identity::reset(f.stack.base, f.stack.top());
    take_over_float_control(f.thread);
    runtime_scope::leave();
    run_start(f);
    if (self() != &f) end_as_main();
    end_of_thread(f);
    scheduler::leave(f, commit_end, &f);
  }
}

void note_bounds(fiber& f, const options& o) {
  thread_part& t = f.thread;
  t.guard_size = t.own_stack ? o.guard_size : 0;
  t.stack_size = o.stack_size;
  // Page-aligned, as programs that put guards of their own there (the JVM) expect.
  t.stack_low = t.own_stack ? f.stack.top() - o.stack_size : static_cast<char*>(o.stack);
}

void inherit(thread_part& t, const thread_part& creator) {
  memcpy(t.name, creator.name, sizeof t.name);
  t.affinity = creator.affinity;
  t.policy = creator.policy;
  t.priority = creator.priority;
}

void prepare_thread(fiber& f, const options& o, void* (*start)(void*), void* argument) {
  thread_part& t = f.thread;
  note_bounds(f, o);
  note_float_control(t);
  t.start = start;
  t.argument = argument;
  t.result = nullptr;
  t.fate.store(o.detached ? thread_fate::detached : thread_fate::joinable,
               std::memory_order_relaxed);
  t.joiner.store(0, std::memory_order_relaxed);
  t.cancel_requested.store(0, std::memory_order_relaxed);
  t.cancel_disabled = t.cancel_asynchronous = t.exiting = false;
  t.signal_mask.store(o.signal_mask, std::memory_order_relaxed);
  t.signals_pending.store(0, std::memory_order_relaxed);
  t.alternate_stack = {nullptr, SS_DISABLE, 0};
  f.forget_flow();
  f.call = o.call;
  f.thread.number = next_number.fetch_add(1, std::memory_order_relaxed);
  fiber* creator = self();
  if (creator != nullptr) inherit(t, creator->thread);
  if (o.affinity != 0) t.affinity = o.affinity;
}

}  // namespace

fiber* self() { return self_state.host; }

uint32_t light_id() {
  fiber* f = self_state.current;
  // The host's own flow has the identity's id.
  if (f == nullptr || f->kind != fiber_kind::light || f->handle == nullptr) return 0;
  if (f->thread.id == 0) f->thread.id = identity::fresh_id();
  return f->thread.id;
}

fiber* of(pthread_t handle) {
  // The state lies at the same place in every identity.
  auto offset = reinterpret_cast<char*>(&self_state) - static_cast<char*>(fs_base::get());
  return reinterpret_cast<thread_state*>(reinterpret_cast<char*>(handle) + offset)->host;
}

fiber* by_id(uint32_t id) {
  lock_guard guard(alive_lock);
  for (fiber_alive* a = alive.front(); a != nullptr; a = alive.after(a)) {
    auto* f = static_cast<fiber*>(a);
    if (f->thread.id == id) return f;
  }
  return nullptr;
}

int create(pthread_t* handle, const options& o, void* (*start)(void*), void* argument) {
  fiber* f = fiber_store::take(o, serve);
  if (f == nullptr) return EAGAIN;
  // Before anybody knows it. Else it would run without what its creator's kernel thread has.
  if (fiber* creator = self(); creator != nullptr && creator->wired_to != nullptr &&
                               !scheduler::wire_to_fresh(*f)) {
    fiber_store::give(*f);
    return EAGAIN;
  }
  prepare_thread(*f, o, start, argument);
  // Before it can run: a thread that ends at once must not bring the count to zero.
  created_total.fetch_add(1, std::memory_order_relaxed);
  register_alive(*f);
  fiber_mask_started(*f);
  *handle = handle_of(*f);
  f->life.store(fiber_life::alive, std::memory_order_release);
  if (o.worker == 0)
    scheduler::enqueue(*f);
  else
    scheduler::enqueue_on(o.worker - 1, *f);
  return 0;
}

namespace {

// Gives up the claim of a joiner that leaves without the result.
int abandon_join(fiber& f, int error) {
  f.thread.joiner.store(0, std::memory_order_release);
  return error;
}

}  // namespace

int join(fiber& f, void** result, deadline until) {
  if (self() == &f) return EDEADLK;
  if (f.thread.joiner.exchange(1, std::memory_order_acq_rel) != 0) return EINVAL;
  auto fate = [&f] { return f.thread.fate.load(std::memory_order_acquire); };
  auto alive = [&fate] { return fate() == thread_fate::joinable; };
  if (until == at_once && f.life.load(std::memory_order_acquire) != fiber_life::finished)
    return abandon_join(f, EBUSY);
  while (alive()) {
    lot::outcome outcome = lot::park({.address = &f.thread.fate, .what = wait_for::join, .until = until,
                                      .interruptible = wait_class::cancellable, .validate = alive});
    if (outcome == lot::outcome::timed_out && alive()) return abandon_join(f, ETIMEDOUT);
    if (outcome == lot::outcome::interrupted) {
      // A cancelled joiner leaves the thread joinable.
      f.thread.joiner.store(0, std::memory_order_release);
      handle_interruption(true);
      if (f.thread.joiner.exchange(1, std::memory_order_acq_rel) != 0) return EINVAL;
    }
  }
  thread_fate ended = thread_fate::ended;
  if (!f.thread.fate.compare_exchange_strong(ended, thread_fate::collected))
    return abandon_join(f, EINVAL);
  if (result != nullptr) *result = f.thread.result;
  fiber_store::give(f);
  return 0;
}

int detach(fiber& f) {
  thread_fate fate = thread_fate::joinable;
  if (f.thread.fate.compare_exchange_strong(fate, thread_fate::detached)) return 0;
  if (fate != thread_fate::ended ||
      !f.thread.fate.compare_exchange_strong(fate, thread_fate::collected))
    return EINVAL;
  fiber_store::give(f);
  return 0;
}

void exit(void* result) {
  fiber* f = self();
  f->thread.result = result;
  cancel::shut(*f);
  libc.pthread_exit(result);
  __builtin_unreachable();
}

void end_current() {
  fiber& f = *self();
  end_of_thread(f);
  scheduler::leave(f, commit_end, &f);
  __builtin_unreachable();
}

unsigned alive_count() { return alive_total.load(std::memory_order_relaxed); }
unsigned alive_most() { return alive_peak.load(std::memory_order_relaxed); }
uint64_t created() { return created_total.load(std::memory_order_relaxed); }

void for_each_alive(void (*visit)(fiber& f, void* argument), void* argument) {
  lock_guard guard(alive_lock);
  for (fiber_alive* a = alive.front(); a != nullptr; a = alive.after(a))
    visit(*static_cast<fiber*>(a), argument);
}

fiber* adopt_main() {
  fiber* f = fiber_store::take_block();
  if (f == nullptr) return nullptr;
  f->flow.identity = fs_base::get();
  f->life.store(fiber_life::alive, std::memory_order_relaxed);
  f->thread.is_main = true;
  f->thread.own_stack = false;
  f->thread.id = static_cast<uint32_t>(sys::gettid());
  sys::call(SYS_prctl, PR_GET_NAME, sys::word(f->thread.name));
  f->thread.number = next_number.fetch_add(1, std::memory_order_relaxed);
  f->own = self_state.own;
  the_main_fiber = f;
  self_state.current = self_state.host = f;
  register_alive(*f);
  return f;
}

fiber* main_fiber() { return the_main_fiber; }

void forget_all() {
  alive_lock.reset();
  alive = {};
  alive_total.store(0, std::memory_order_relaxed);
  the_main_fiber = nullptr;
}

}  // namespace thread
}  // namespace vervet
