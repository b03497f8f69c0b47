#include "runtime/scheduler.h"

#include "runtime/fs_base.h"
#include "runtime/hub.h"
#include "runtime/idle.h"
#include "runtime/light_hub.h"
#include "runtime/monitor.h"
#include "runtime/offload.h"
#include "runtime/perturb.h"
#include "runtime/run_queue.h"
#include "runtime/sanitizer.h"
#include "runtime/scheduler_internal.h"
#include "runtime/scope.h"
#include "runtime/signal.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet::scheduler {

std::atomic<bool> awake{false};
worker workers[max_workers];
unsigned workers_running;
std::atomic<bool> stopping{false};

namespace {

shared_queue shared;
// Fibers that were preempted: they take what time the others leave, and a turn now and then.
shared_queue preempted;
std::atomic<deadline> preempted_had_turn{0};
// How many are queued by yield_to_all(): they do not wait for each other.
std::atomic<uint64_t> idlers{0};

// How many fibers have their turn before one looks around: who queues in the shared queue is not to
// wait for all that a worker's own queue holds, nor are those whom an event or a timer makes ready.
constexpr uint32_t turns_between_looks = 64;
// The poller is asked no sooner again: turns that only hand on cost less than its system call.
constexpr int64_t time_between_polls = 20'000;
constexpr uint32_t tries_in_a_turn = 64;

// The carrier that the caller is on, if that owns a worker, whose queue is the caller's to fill
// then.
carrier* own_carrier() {
  carrier* c = self_state.home_of;
  if (c == nullptr) {
    fiber* f = self_state.host;
    if (f == nullptr || self_state.in_runtime == 0) return nullptr;
    c = f->on;
  }
  return c != nullptr && owns_worker(*c) ? c : nullptr;
}

fiber* steal(worker& thief) {
  unsigned first = static_cast<unsigned>(thief.turns.load(std::memory_order_relaxed));
  for (unsigned i = 0; i < workers_running; ++i) {
    worker& victim = workers[(first + i) % workers_running];
    if (&victim == &thief) continue;
    if (fiber* f = victim.queue.steal_into(thief.queue)) return f;
    if (fiber* f = victim.sent.pop()) return f;
  }
  return nullptr;
}

// What became runnable elsewhere stands behind what the worker has, and no longer than that.
void take_over_shared(worker& w) {
  constexpr unsigned most = 256;
  w.sent.drain_into(w.queue, most);
  shared.drain_into(w.queue, most);
}

inline fiber* take_own_or_shared(worker& w) {
  if (perturb::chance(8)) [[unlikely]]
    if (fiber* f = steal(w)) return f;
  if (fiber* f = w.queue.pop()) [[likely]]
    return f;
  if (fiber* f = w.sent.pop()) return f;
  return shared.pop();
}

fiber* take_preempted() {
  fiber* f = preempted.pop();
  if (f != nullptr) preempted_had_turn.store(now(), std::memory_order_relaxed);
  return f;
}

fiber* take_starved() {
  constexpr int64_t longest_wait = 50'000'000;
  if (preempted.empty()) [[likely]]
    return nullptr;
  return now() - preempted_had_turn.load(std::memory_order_relaxed) > longest_wait
             ? take_preempted()
             : nullptr;
}

// Before a carrier turns to a fiber: what it leaves undone must have someone awake to do it.
inline void hand_on_what_is_owed(const carrier& c) {
  if (!idle::any()) [[likely]]
    return;
  if (idle::worth_waking(c) || !shared.empty())
    idle::wake_one();
  else if (!c.owned->queue.empty())
    monitor::note_owed();
  idle::cover_timers();
}

inline void begin_turn(carrier& c, fiber& f) {
  c.running.store(&f, std::memory_order_relaxed);
  c.tries = 0;
  f.on = &c;
}

inline void become(carrier& c, fiber& f) {
  begin_turn(c, f);
  adopt_kernel_state(c, f);
}

void run(carrier& c, fiber& f) {
  if (c.owned != nullptr) {
    c.owned->next_turn();
    hand_on_what_is_owed(c);
    // It may have been called for what another worker has queued, and have found something else, or
    // a part of it: nobody else was called meanwhile.
    if (idle::any() && work_waits()) monitor::note_owed();
  }
  become(c, f);
  context_switch(c.home, f.flow, nullptr, nullptr);
}

// One round of a carrier that has a worker.
void serve_worker(carrier& c) {
  if (signals_caught()) signals_dispatch();
  hub::fire_timers();
  if (c.poll_due) {
    c.poll_due = false;
    c.polled = now();
    hub::look();
  }
  take_over_shared(*c.owned);
  fiber* f = take_starved();
  if (f == nullptr) f = take_own_or_shared(*c.owned);
  if (f == nullptr) f = steal(*c.owned);
  if (f == nullptr && !preempted.empty()) {
    // One that computes comes after all that is ready, not only after all that is known to be.
    hub::look();
    f = take_own_or_shared(*c.owned);
    if (f == nullptr) f = take_preempted();
  }
  if (f != nullptr)
    run(c, *f);
  else
    idle::sleep(c);
}

// A carrier with a wired fiber has nothing else to do, and needs no worker for it.
void serve_wired(carrier& c) {
  while (c.call.exchange(0, std::memory_order_acq_rel) == 0) sys::futex_wait(&c.call, 0);
  if (c.wired_ready.exchange(false, std::memory_order_acq_rel)) run(c, *c.wired);
}

}  // namespace

void serve(carrier& c) {
  self_state.in_runtime = 1;
  self_state.home_of = &c;
  for (;;) {
    if (c.wired != nullptr)
      serve_wired(c);
    else if (c.job != nullptr)
      serve_jobs(c);
    else if (owns_worker(c) && !stopping.load(std::memory_order_acquire))
      serve_worker(c);
    else if (!carriers::await_worker(c, stopping))
      return;
  }
}

bool work_waits() {
  if (!shared.empty() || !preempted.empty() || signals_caught() ||
      stopping.load(std::memory_order_acquire))
    return true;
  for (unsigned i = 0; i < workers_running; ++i)
    if (!workers[i].queue.empty() || !workers[i].sent.empty()) return true;
  return false;
}

namespace {

// Whether anything waits but the flows in yield_to_all().
bool more_than_idlers_wait() {
  if (!preempted.empty() || signals_caught() || stopping.load(std::memory_order_acquire))
    return true;
  uint64_t queued = shared.size();
  for (unsigned i = 0; i < workers_running; ++i)
    queued += workers[i].queue.size() + workers[i].sent.size();
  return queued > idlers.load(std::memory_order_seq_cst);
}

}  // namespace

void yield_to_all() {
  do {
    idlers.fetch_add(1, std::memory_order_seq_cst);
    yield();
    idlers.fetch_sub(1, std::memory_order_seq_cst);
  } while (more_than_idlers_wait() && !scope::due());
}

namespace {

// `c` has queued something: somebody may have to be called for it.
inline void call_for_queued(carrier* c) {
  // A carrier in its own loop looks at its queue next, and hands on what is left.
  if (!idle::any() || (c != nullptr && c == self_state.home_of)) [[likely]]
    return;
  if (c == nullptr || idle::worth_waking(*c))
    idle::wake_one();
  else
    monitor::note_owed();
}

// The fiber that has just left goes to the end of the queue: of the carrier that it has left, which
// is the caller, inside the runtime ever since.
void commit_requeue(void* argument) {
  fiber& f = *static_cast<fiber*>(argument);
  carrier& c = *f.on;
  if (f.wired_to != nullptr || !owns_worker(c)) [[unlikely]]
    return enqueue(f);
  perturb::dawdle();
  c.owned->queue.push(f);
  call_for_queued(&c);
}

}  // namespace

void enqueue(fiber& f) {
  perturb::dawdle();
  if (f.wired_to != nullptr) [[unlikely]] {
    f.wired_to->wired_ready.store(true, std::memory_order_release);
    carriers::call(*f.wired_to);
    return;
  }
  carrier* c = own_carrier();
  if (c != nullptr)
    c->owned->queue.push(f);
  else
    shared.push(f);
  call_for_queued(c);
}

void enqueue_on(unsigned index, fiber& f) {
  workers[index % workers_running].sent.push(f);
  if (idle::any()) idle::wake_one();
}

void kick() { hub::get_poller().interrupt(); }

namespace {

// Whether the carrier's own loop is to have the next turn, as it has every so often.
[[gnu::noinline]] bool is_loops_turn(carrier& c) {
  if (c.poll_due || signals_caught()) return true;
  take_over_shared(*c.owned);
  return now() - c.polled >= time_between_polls;
}

inline bool is_time_to_look(const carrier& c) {
  uint32_t turns = c.owned->turns.load(std::memory_order_relaxed);
  return (turns + 1) % turns_between_looks == 0 || c.poll_due || signals_caught();
}

// Has the processor fetch what the next switches will touch: of the next but one the control block,
// of the next, whose block has come meanwhile, the stack and the thread's state. (Who has them may be another
// worker by now: they are fetched, not used.)
[[gnu::always_inline]] inline void fetch_ahead(const run_queue& queue, size_t stack_lines) {
  if constexpr (sanitizer::told_of_switches) return;
  constexpr uint64_t distance = 2;
  const fiber* later = queue.peek(distance);
  if (later == nullptr) return;
  __builtin_prefetch(&later->flow, 1);
  __builtin_prefetch(&later->own, 1);
  __builtin_prefetch(&later->on, 1);
  // Thieves may have come in between.
  const fiber* soon = queue.peek(distance - 1);
  if (soon == nullptr) return;
  auto* stack = static_cast<char*>(soon->flow.saved);
  for (size_t line = 0; line < stack_lines; ++line) __builtin_prefetch(stack + line * 64, 1);
  auto* state = reinterpret_cast<char*>(&self_state) - static_cast<char*>(fs_base::get()) +
                static_cast<char*>(soon->flow.identity);
  __builtin_prefetch(state, 1);
}

// The fiber to which `c` turns; null: the carrier's own loop has its turn.
inline fiber* next_of(carrier& c) {
  if (!owns_worker(c)) [[unlikely]] {
    idle::cover_timers();
    return nullptr;
  }
  bool looks = is_time_to_look(c);
  c.owned->next_turn();
  if (looks && is_loops_turn(c)) [[unlikely]] {
    c.poll_due = true;
    return nullptr;
  }
  fiber* next = take_own_or_shared(*c.owned);
  if (next == nullptr) return nullptr;
  // It waits after some work, and so will they.
  constexpr size_t lines_of_a_wait = 12;
  fetch_ahead(c.owned->queue, lines_of_a_wait);
  hand_on_what_is_owed(c);
  return next;
}

}  // namespace

void leave(fiber& self, commit_function commit, void* argument) {
  perturb::dawdle();
  carrier& c = *self.on;
  ++c.count.switches;
  fiber* next = next_of(c);
  if (next != nullptr) [[likely]] {
    become(c, *next);
    context_switch(self.flow, next->flow, commit, argument);
    return;
  }
  c.running.store(nullptr, std::memory_order_relaxed);
  context_switch(self.flow, c.home, commit, argument);
}

namespace {

// What is seldom needed in a yield is called at its end, so that it saves no registers for that.
[[gnu::noinline]] void yield_otherwise(fiber& f) {
  if (f.kind == fiber_kind::light) {
    f.hub->yield(f);
    return runtime_scope::leave();
  }
  carrier& c = *f.on;
  bool alone = false;
  if (owns_worker(c)) {
    worker& w = *c.owned;
    alone = w.queue.empty() && w.sent.empty() && shared.empty() && !is_time_to_look(c);
  }
  if (alone) {
    c.owned->next_turn();
    // Other carriers and other processes may want the CPU that a spinning program gives up.
    sys::call(SYS_sched_yield);
  } else {
    leave(f, commit_requeue, &f);
  }
  runtime_scope::leave();
}

[[gnu::noinline]] void turn_to_with_kernel_state(fiber& from, carrier& c, fiber& to) {
  become(c, to);
  context_switch(from.flow, to.flow, nullptr, nullptr);
  runtime_scope::leave();
}

}  // namespace

// The ordinary one is that of the owner of the only worker: nobody takes the fiber from the queue before
// it is saved, for that is for its successor to do, inside the runtime all along. Nobody idle is
// owed anything. (The only worker is named, not looked up by way of the thread pointer, so that the
// processor can find the successor before it has finished with the pointer's last change.)
void yield() {
  fiber* f = self_state.current;
  if (f == nullptr) return;
  runtime_scope::enter();
  worker& w = workers[0];
  if (f->kind == fiber_kind::light || !w.queue.alone()) [[unlikely]]
    return yield_otherwise(*f);
  carrier& c = *f->on;
  if (!owns_worker_at_a_glance(c) || is_time_to_look(c)) [[unlikely]]
    return yield_otherwise(*f);
  fiber* next = w.queue.exchange(*f);
  if (next == nullptr) [[unlikely]]
    return yield_otherwise(*f);
  w.next_turn();
  ++c.count.switches;
  constexpr size_t lines_of_a_yield = 5;
  fetch_ahead(w.queue, lines_of_a_yield);
  if (!kernel_state_fits(c, *next)) [[unlikely]]
    return turn_to_with_kernel_state(*f, c, *next);
  begin_turn(c, *next);
  context_switch(f->flow, next->flow, nullptr, nullptr);
  runtime_scope::leave();
}

namespace {

void commit_preempted(void* argument) {
  preempted.push(*static_cast<fiber*>(argument));
  if (idle::any()) idle::wake_one();
}

}  // namespace

void preempt(fiber& self) {
  carrier& c = *self.on;
  uint64_t wanted = c.preempt_turn.load(std::memory_order_acquire);
  // The request may be late, and meant for another fiber or an earlier turn.
  if (!owns_worker(c) || wanted != c.owned->turns.load(std::memory_order_relaxed) + uint64_t{1})
    return;
  if (preempted.empty()) preempted_had_turn.store(now(), std::memory_order_relaxed);
  c.poll_due = true;
  leave(self, commit_preempted, &self);
}

void give_way(uint32_t cost) {
  fiber* f = self_state.host;
  if (f == nullptr || (f->on->tries += cost) < tries_in_a_turn) [[likely]]
    return;
  carrier& c = *f->on;
  c.tries = 0;
  if (self_state.current != f) return;  // a light fiber's turn is its host's
  // Through the scheduler loop, so that what is ready and due comes to the queue as well.
  c.poll_due = true;
  leave(*f, commit_requeue, f);
}

void forget_queues() {
  for (unsigned i = 0; i < workers_running; ++i) {
    workers[i].queue.forget();
    workers[i].sent.forget();
  }
  shared.forget();
  preempted.forget();
  idlers = 0;
}

worker& worker_at(unsigned index) { return workers[index]; }
unsigned worker_count() { return workers_running; }

}  // namespace vervet::scheduler
