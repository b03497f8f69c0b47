#include "runtime/scheduler.h"

#include <errno.h>
#include <new>
#include <sys/mman.h>

#include "runtime/check.h"
#include "runtime/descriptor.h"
#include "runtime/fs_base.h"
#include "runtime/hub.h"
#include "runtime/identity.h"
#include "runtime/light_hub.h"
#include "runtime/signal.h"
#include "runtime/stack.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_internal.h"
#include "runtime/thread_state.h"

namespace vervet::scheduler {

std::atomic<bool> awake{false};

namespace {

lock queue_lock;
fifo<fiber> queue;
std::atomic<unsigned> queued{0};

// Carriers asleep in the poller. `kick_sent` keeps a burst of wakes from writing once each.
std::atomic<unsigned> sleeping{0};
std::atomic<deadline> sleepers_until{never};
bool kick_sent;

carrier* carriers;
worker* workers;
unsigned carrier_count;
std::atomic<unsigned> live_kernel_threads{0};
std::atomic<bool> stopping{false};
bool adopted_main;

constexpr uint32_t switches_between_polls = 64;
constexpr uint32_t tries_in_a_turn = 64;
constexpr size_t carrier_stack_size = 256 * 1024;
constexpr size_t alternate_stack_size = 32 * 1024;

fiber* take_next() {
  if (queued.load(std::memory_order_relaxed) == 0) return nullptr;
  lock_guard guard(queue_lock);
  fiber* f = queue.pop();
  if (f != nullptr) queued.fetch_sub(1, std::memory_order_relaxed);
  return f;
}

void kick_a_sleeper() {
  bool needed;
  {
    lock_guard guard(queue_lock);
    needed = sleeping.load(std::memory_order_relaxed) != 0 && !kick_sent;
    if (needed) kick_sent = true;
  }
  if (needed) hub::get_poller().interrupt();
}

// Before a carrier turns to a fiber: what it leaves undone must have someone awake to do it.
void hand_on_what_is_owed() {
  if (sleeping.load(std::memory_order_seq_cst) == 0) return;
  if (queued.load(std::memory_order_relaxed) != 0 ||
      hub::earliest() < sleepers_until.load(std::memory_order_seq_cst))
    kick_a_sleeper();
}

inline void become(carrier& c, fiber& f) {
  c.running = &f;
  c.tries = 0;
  f.on = &c;
  hand_on_what_is_owed();
  adopt_kernel_state(c, f);
}

void run(carrier& c, fiber& f) {
  become(c, f);
  context_switch(c.home, f.flow, nullptr, nullptr);
}

// REQUIRES: queue_lock.
void note_sleepers_until() {
  deadline least = never;
  for (unsigned i = 0; i < carrier_count; ++i)
    if (carriers[i].sleeps_until < least) least = carriers[i].sleeps_until;
  sleepers_until.store(least, std::memory_order_seq_cst);
}

void sleep_in_poller(carrier& c) {
  deadline until = hub::earliest();
  {
    lock_guard guard(queue_lock);
    if (!queue.empty()) return;
    c.sleeps_until = until;
    note_sleepers_until();
    sleeping.fetch_add(1, std::memory_order_seq_cst);
  }
  // Published first, looked at again second: who arms an earlier timer now sees us.
  deadline earliest = hub::earliest();
  if (earliest < until) until = earliest;
  if (signals_caught() || stopping) until = at_once;
  hub::poll(until);
  lock_guard guard(queue_lock);
  sleeping.fetch_sub(1, std::memory_order_relaxed);
  kick_sent = false;
  c.sleeps_until = never;
  note_sleepers_until();
}

// The scheduler loop of a carrier.
void serve(void* argument) {
  carrier& c = *static_cast<carrier*>(argument);
  self_state.in_runtime = 1;
  self_state.home_of = &c;
  for (;;) {
    if (signals_caught()) signals_dispatch();
    hub::fire_timers();
    if (c.poll_due) {
      c.poll_due = false;
      hub::poll(at_once);
      // It may have swallowed a kick that was meant for a sleeper: the next who owes one must send it.
      lock_guard guard(queue_lock);
      kick_sent = false;
    }
    if (fiber* f = take_next()) {
      run(c, *f);
      continue;
    }
    if (stopping.load(std::memory_order_acquire)) return;
    sleep_in_poller(c);
  }
}

void commit_requeue(void* argument) { enqueue(*static_cast<fiber*>(argument)); }

void* carrier_thread(void* argument) {
  auto& c = *static_cast<carrier*>(argument);
  c.home.identity = fs_base::get();
  c.kernel_tid = static_cast<int>(sys::gettid());
  carrier_signals_start(c);
  serve(&c);
  // Whoever sleeps still must see `stopping` as well.
  hub::get_poller().interrupt();
  note_kernel_thread(-1);
  return nullptr;
}

bool give_alternate_stack(carrier& c) {
  // A carrier's own alternate stack: where the overflow of a fiber's stack is reported.
  void* memory = sys::map(nullptr, alternate_stack_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
  if (memory == nullptr) return false;
  c.own_alternate_stack.ss_sp = memory;
  c.own_alternate_stack.ss_size = alternate_stack_size;
  return true;
}

int allocate(unsigned count) {
  size_t bytes = count * (sizeof(carrier) + sizeof(worker));
  void* memory = sys::map(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  if (memory == nullptr) return ENOMEM;
  carriers = static_cast<carrier*>(memory);
  workers = reinterpret_cast<worker*>(carriers + count);
  carrier_count = count;
  for (unsigned i = 0; i < count; ++i) {
    new (&carriers[i]) carrier;
    new (&workers[i]) worker;
    carriers[i].index = workers[i].index = i;
    carriers[i].owned = &workers[i];
    carriers[i].owned_epoch = 1;
    workers[i].owner_epoch.store(1, std::memory_order_relaxed);
    if (!give_alternate_stack(carriers[i])) return ENOMEM;
  }
  return 0;
}

int start_carrier_thread(carrier& c) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  pthread_attr_setstacksize(&attributes, carrier_stack_size);
  sigset_t all;
  sigfillset(&all);
  pthread_attr_setsigmask_np(&attributes, &all);
  note_kernel_thread(+1);
  error = libc.pthread_create(&c.thread, &attributes, carrier_thread, &c);
  if (error != 0) note_kernel_thread(-1);
  pthread_attr_destroy(&attributes);
  return error;
}

// The calling thread becomes the main fiber; its kernel thread goes on as the first carrier, on a
// donated identity, at the fiber's first park.
int adopt_caller_as_main(carrier& c) {
  stack_slot slot = stack_take(stack_class(carrier_stack_size));
  if (!slot) return ENOMEM;
  char* low = slot.base + stack_guard_size;
  int error = identity::donate({low, slot.size - stack_guard_size, nullptr, serve, &c}, c.home);
  if (error != 0) return error;
  identity::detach_main();
  fiber* main = thread::adopt_main();
  if (main == nullptr) return ENOMEM;
  c.kernel_tid = static_cast<int>(sys::gettid());
  c.running = main;
  main->on = &c;
  note_kernel_thread(+1);
  return 0;
}

}  // namespace

int start(unsigned count, bool adopt_caller) {
  CHECK(count >= 1 && count <= max_workers, "%u workers asked for, 1 to %u possible", count,
        max_workers);
  runtime_scope scope;
  stopping = false;
  if (!descriptors_start()) return ENOMEM;
  int error = identity::learn_layout();
  if (error == 0) error = allocate(count);
  if (error != 0) return error;
  error = -hub::open();
  if (error != 0) return error;
  adopted_main = adopt_caller;
  unsigned first = adopt_caller ? 1 : 0;
  if (adopt_caller) error = adopt_caller_as_main(carriers[0]);
  if (error != 0) return error;
  if (adopt_caller) signals_wake(*thread::main_fiber());
  if (adopt_caller) carrier_signals_start(carriers[0]);
  for (unsigned i = first; i < count; ++i) {
    error = start_carrier_thread(carriers[i]);
    if (error != 0) return error;
  }
  awake.store(true, std::memory_order_release);
  return 0;
}

int stop() {
  runtime_scope scope;
  if (adopted_main || !running()) return EPERM;
  stopping.store(true, std::memory_order_seq_cst);
  hub::get_poller().interrupt();
  for (unsigned i = 0; i < carrier_count; ++i) libc.pthread_join(carriers[i].thread, nullptr);
  awake.store(false, std::memory_order_release);
  hub::close();
  for (unsigned i = 0; i < carrier_count; ++i)
    sys::unmap(carriers[i].own_alternate_stack.ss_sp, alternate_stack_size);
  sys::unmap(carriers, carrier_count * (sizeof(carrier) + sizeof(worker)));
  carriers = nullptr;
  carrier_count = 0;
  return 0;
}

bool ends_with_last_fiber() { return adopted_main; }

void enqueue(fiber& f) {
  bool kick = false;
  {
    lock_guard guard(queue_lock);
    queue.push(&f);
    queued.fetch_add(1, std::memory_order_relaxed);
    // A carrier in its own loop looks at the queue next, and hands on what is left.
    if (self_state.home_of == nullptr && sleeping.load(std::memory_order_relaxed) != 0 &&
        !kick_sent)
      kick = kick_sent = true;
  }
  if (kick) hub::get_poller().interrupt();
}

void kick() { hub::get_poller().interrupt(); }

void leave(fiber& self, commit_function commit, void* argument) {
  carrier& c = *self.on;
  ++c.count.switches;
  bool look_around = ++c.owned->ticks % switches_between_polls == 0 ||
                     signals_caught();
  fiber* next = look_around ? nullptr : take_next();
  if (next != nullptr) {
    become(c, *next);
    context_switch(self.flow, next->flow, commit, argument);
    return;
  }
  c.poll_due = look_around;
  c.running = nullptr;
  context_switch(self.flow, c.home, commit, argument);
}

void yield() {
  fiber* f = self_state.current;
  if (f == nullptr) return;
  runtime_scope scope;
  if (f->kind == fiber_kind::light) {
    f->hub->yield(*f);
    return;
  }
  worker& w = *f->on->owned;
  bool alone = queued.load(std::memory_order_relaxed) == 0 &&
               !signals_caught();
  if (alone && (w.ticks + 1) % switches_between_polls != 0) {
    ++w.ticks;
    // Other carriers and other processes may want the CPU that a spinning program gives up.
    sys::call(SYS_sched_yield);
    return;
  }
  leave(*f, commit_requeue, f);
}

void give_way() {
  fiber* f = self_state.host;
  if (f == nullptr || ++f->on->tries < tries_in_a_turn) [[likely]]
    return;
  f->on->tries = 0;
  if (self_state.current != f) return;  // a light fiber's turn is its host's
  // Through the scheduler loop, so that what is ready and due comes to the queue as well.
  f->on->owned->ticks = switches_between_polls - 1;
  leave(*f, commit_requeue, f);
}

carrier* carrier_at(unsigned index) { return index < carrier_count ? &carriers[index] : nullptr; }
unsigned worker_count() { return carrier_count; }
unsigned kernel_threads() { return live_kernel_threads.load(std::memory_order_relaxed); }
void note_kernel_thread(int change) {
  live_kernel_threads.fetch_add(static_cast<unsigned>(change), std::memory_order_relaxed);
}

counters totals() {
  counters sum;
  for (unsigned i = 0; i < carrier_count; ++i) {
    sum.switches += carriers[i].count.switches;
    sum.passthroughs += carriers[i].count.passthroughs;
    for (unsigned w = 0; w < static_cast<unsigned>(wait_for::count_); ++w)
      sum.parks[w] += carriers[i].count.parks[w];
  }
  return sum;
}

void forget_all() {
  queue_lock.reset();
  queue = {};
  queued = 0;
  sleeping = 0;
  sleepers_until = never;
  kick_sent = false;
  carriers = nullptr;  // the mapping stays: the surviving fiber may look at its carrier once more
  carrier_count = 0;
  live_kernel_threads = 0;
  awake.store(false, std::memory_order_release);
}

}  // namespace vervet::scheduler
