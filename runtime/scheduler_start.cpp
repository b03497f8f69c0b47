// The scheduler's beginning and end, and a fiber's wiring to its carrier.
#include <errno.h>
#include <new>

#include "runtime/check.h"
#include "runtime/descriptor.h"
#include "runtime/hub.h"
#include "runtime/identity.h"
#include "runtime/idle.h"
#include "runtime/monitor.h"
#include "runtime/native_locks.h"
#include "runtime/perturb.h"
#include "runtime/scheduler_internal.h"
#include "runtime/signal.h"
#include "runtime/stack.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_internal.h"
#include "runtime/thread_state.h"

namespace vervet::scheduler {
namespace {

std::atomic<unsigned> live_kernel_threads{0};
bool adopted_main;

constexpr size_t first_carrier_stack_size = 256 * 1024;

void serve_first(void* argument) {
  serve(*static_cast<carrier*>(argument));
  __builtin_trap();  // it stays
}

// The calling thread becomes the main fiber; its kernel thread goes on as the first carrier, on a
// donated identity, at the fiber's first park.
int adopt_caller_as_main(carrier& c) {
  stack_slot slot = stack_take(stack_class(first_carrier_stack_size));
  if (!slot) return ENOMEM;
  char* low = slot.base + stack_guard_size;
  int error =
      identity::donate({low, slot.size - stack_guard_size, nullptr, serve_first, &c}, c.home);
  if (error != 0) return error;
  identity::detach_main();
  fiber* main = thread::adopt_main();
  if (main == nullptr) return ENOMEM;
  carriers::begin(c);
  c.stays = true;
  c.running = main;
  main->on = &c;
  note_kernel_thread(+1);
  signals_wake(*main);
  carrier_signals_start(c);
  return 0;
}

int start_workers(const options& o) {
  for (unsigned i = 0; i < o.workers; ++i) {
    workers[i].index = i;
    workers[i].queue.set_alone(o.workers == 1 && !perturb::on());
    carrier* c = carriers::make();
    if (c == nullptr) return ENOMEM;
    give_worker(workers[i], *c);
    bool adopted = o.adopt_caller && i == 0;
    int error = adopted ? adopt_caller_as_main(*c) : 0;
    if (error != 0) return error;
  }
  for (unsigned i = o.adopt_caller ? 1 : 0; i < o.workers; ++i) {
    int error = carriers::start_thread(*carriers::at(i));
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace

int start(const options& o) {
  CHECK(o.workers >= 1 && o.workers <= max_workers, "%u workers asked for, 1 to %u possible",
        o.workers, max_workers);
  runtime_scope scope;
  stopping = false;
  workers_running = o.workers;
  adopted_main = o.adopt_caller;
  ownership_start();
  native_locks_start();
  if (!descriptors_start()) return ENOMEM;
  int error = identity::learn_layout();
  if (error == 0) error = carriers::reserve();
  if (error == 0) error = -hub::open();
  if (error == 0) error = start_workers(o);
  if (error == 0) error = monitor::start(o.tick);
  if (error == 0) {
    awake.store(true, std::memory_order_release);
    fibers_exist.store(true, std::memory_order_release);
  }
  return error;
}

int stop() {
  runtime_scope scope;
  if (adopted_main || !running()) return EPERM;
  stopping.store(true, std::memory_order_seq_cst);
  monitor::stop();
  idle::wake_all();
  carriers::call_all();
  carriers::join_all();
  awake.store(false, std::memory_order_release);
  hub::close();
  forget_queues();
  return 0;
}

bool ends_with_last_fiber() { return adopted_main; }

bool wire_to_fresh(fiber& f) {
  f.wired_to = carriers::make_wired(f);
  return f.wired_to != nullptr;
}

namespace {

// The main fiber, on the process's first kernel thread, belongs there: its worker goes elsewhere.
bool wire_here(fiber& main, carrier& c) {
  if (owns_worker(c)) {
    carrier* heir = carriers::take_spare();
    if (heir == nullptr) return false;
    leave_worker_to(c, *heir);
    carriers::employ(*heir);
  }
  c.wired = &main;
  main.wired_to = &c;
  return true;
}

}  // namespace

bool wire(fiber& self) {
  if (self.wired_to != nullptr) return true;
  carrier& c = *self.on;
  if (self.thread.is_main && c.kernel_tid == sys::getpid()) return wire_here(self, c);
  if (!wire_to_fresh(self)) return false;
  // It is readied for the carrier that is its own from now on.
  leave(self, [](void* f) { enqueue(*static_cast<fiber*>(f)); }, &self);
  return true;
}

void unwire(fiber& self) {
  carrier* c = self.wired_to;
  if (c == nullptr) return;
  c->wired = nullptr;
  c->tainted = true;
  self.wired_to = nullptr;
}

unsigned kernel_threads() { return live_kernel_threads.load(std::memory_order_relaxed); }
void note_kernel_thread(int change) {
  live_kernel_threads.fetch_add(static_cast<unsigned>(change), std::memory_order_relaxed);
}

bool within_budget() {
  // While threads are being made, one of libc's is there half of the time.
  unsigned donor = identity::donated_lately() ? 1 : 0;
  return kernel_threads() + donor < workers_running + 2;
}

counters totals() {
  counters sum;
  for (unsigned i = 0; const carrier* c = carriers::at(i); ++i) {
    sum.switches += c->count.switches;
    sum.passthroughs += c->count.passthroughs;
    for (unsigned w = 0; w < static_cast<unsigned>(wait_for::count_); ++w)
      sum.parks[w] += c->count.parks[w];
  }
  return sum;
}

void forget_all() {
  forget_queues();
  for (unsigned i = 0; i < workers_running; ++i) new (&workers[i]) worker;
  workers_running = 0;
  idle::forget_all();
  monitor::forget();
  ownership_forget();
  carriers::forget_all();
  live_kernel_threads = 0;
  awake.store(false, std::memory_order_release);
  fibers_exist.store(false, std::memory_order_release);
}

}  // namespace vervet::scheduler
