#include "runtime/idle.h"

#include <errno.h>

#include "runtime/carrier.h"
#include "runtime/deadlock.h"
#include "runtime/hub.h"
#include "runtime/lock.h"
#include "runtime/monitor.h"
#include "runtime/scheduler.h"
#include "runtime/sys.h"

namespace vervet::idle {

std::atomic<unsigned> sleepers{0};

namespace {

// What is done sooner than this is not worth calling another carrier for: that costs some microseconds
// on both sides, and a CPU that others may be using.
constexpr int64_t worth_a_call = 50'000;

// Until when no sleeper covers the timers: earlier than every deadline.
constexpr deadline nobody = INT64_MIN;

lock idle_lock;
std::atomic<carrier*> in_poller{nullptr};
list<carrier> on_call;
// The earliest time at which a sleeper wakes by itself, never if there is none that does; `nobody`
// while nobody sleeps.
std::atomic<deadline> covered_until{nobody};
std::atomic<bool> waking{false};

// REQUIRES: idle_lock.
void note_covered() {
  carrier* polling = in_poller.load(std::memory_order_relaxed);
  deadline least = polling != nullptr ? polling->sleeps_until : nobody;
  for (carrier* c = on_call.front(); c != nullptr; c = on_call.after(c))
    if (least == nobody || c->sleeps_until < least) least = c->sleeps_until;
  covered_until.store(least, std::memory_order_seq_cst);
}

void sleep_in_poller(deadline until) {
  if (scheduler::work_waits()) until = at_once;
  hub::poll(until);
}

void sleep_on_call(carrier& c, deadline until) {
  timespec at = timespec_of(until);
  while (!scheduler::work_waits() && c.call.load(std::memory_order_acquire) == 0)
    if (sys::futex_wait(&c.call, 0, until == never ? nullptr : &at) == -ETIMEDOUT) return;
}

// The last to go to sleep, with no timer to come, leaves nobody who could make anything runnable.
// Returns until when it sleeps, before it looks again.
deadline look_for_deadlock() {
  flow_set* set = set_of_run.load(std::memory_order_acquire);
  if (set == nullptr || !set->all_wait() || hub::earliest() != never) return never;
  if (sleepers.load(std::memory_order_seq_cst) != scheduler::worker_count()) return never;
  if (set->tell([] { return !scheduler::work_waits(); })) return at_once;
  static lock looks_lock;
  static later_looks looks;
  static uint64_t turns_then;
  uint64_t turns = 0;
  for (unsigned i = 0; i < scheduler::worker_count(); ++i)
    turns += scheduler::worker_at(i).turns.load(std::memory_order_relaxed);
  lock_guard guard(looks_lock);
  if (turns != turns_then) looks.reset();
  turns_then = turns;
  return looks.next();
}

// Rises at once, sinks slowly.
void note(int64_t& usual, int64_t seen) {
  int64_t blend = usual - (usual - seen) / 8;
  usual = seen > blend ? seen : blend;
}

void note_burst(carrier& c) {
  if (c.busy_since == 0) return;
  int64_t burst = now() - c.busy_since;
  uint32_t turns = c.owned->turns.load(std::memory_order_relaxed) - c.busy_since_turn;
  note(c.usual_burst, burst);
  if (turns != 0) note(c.usual_turn, burst / turns);
}

}  // namespace

void sleep(carrier& c) {
  note_burst(c);
  deadline until = hub::earliest();
  bool polls;
  {
    lock_guard guard(idle_lock);
    polls = in_poller.load(std::memory_order_relaxed) == nullptr;
    if (polls)
      in_poller.store(&c, std::memory_order_seq_cst);
    else
      on_call.push_front(&c);
    // A timer that another sleeper covers wakes that one alone.
    bool covered = until >= covered_until.load(std::memory_order_relaxed) &&
                   covered_until.load(std::memory_order_relaxed) != nobody;
    if (!polls && covered) until = never;
    c.sleeps_until = until;
    note_covered();
    sleepers.fetch_add(1, std::memory_order_seq_cst);
  }
  if (until == never) until = look_for_deadlock();
  // Published first, looked at again second: who arms an earlier timer sees us, or we see it.
  if (hub::earliest() < covered_until.load(std::memory_order_seq_cst)) until = at_once;
  if (polls)
    sleep_in_poller(until);
  else if (until != at_once)
    sleep_on_call(c, until);
  c.busy_since = now();
  c.busy_since_turn = c.owned->turns.load(std::memory_order_relaxed);
  bool called, others;
  {
    lock_guard guard(idle_lock);
    called = c.called;
    if (polls) in_poller.store(nullptr, std::memory_order_seq_cst);
    if (!called) {
      sleepers.fetch_sub(1, std::memory_order_relaxed);
      if (!polls) list<carrier>::remove(&c);
    }
    c.called = false;
    c.call.store(0, std::memory_order_relaxed);
    others = !on_call.empty();
    note_covered();
  }
  if (called) waking.store(false, std::memory_order_seq_cst);
  if (!polls) return;
  if (others && c.usual_burst > worth_a_call) wake_one();
  monitor::note_owed();
}

bool worth_waking(const carrier& c) {
  return static_cast<int64_t>(c.owned->queue.size()) * c.usual_turn > worth_a_call;
}

void wake_one() {
  if (waking.load(std::memory_order_relaxed) ||
      waking.exchange(true, std::memory_order_seq_cst))
    return;
  carrier* chosen;
  bool polls = false;
  {
    lock_guard guard(idle_lock);
    chosen = on_call.pop_front();
    carrier* polling = in_poller.load(std::memory_order_relaxed);
    if (chosen == nullptr && polling != nullptr && !polling->called) {
      chosen = polling;
      polls = true;
    }
    if (chosen == nullptr) {
      waking.store(false, std::memory_order_seq_cst);
      return;
    }
    chosen->called = true;
    sleepers.fetch_sub(1, std::memory_order_relaxed);
  }
  if (polls)
    hub::get_poller().interrupt();
  else
    carriers::call(*chosen);
}

void cover_timers() {
  // Otherwise those who are awake see to it, or the monitor.
  if (!poller_covered()) return;
  deadline until = covered_until.load(std::memory_order_seq_cst);
  deadline earliest = hub::earliest();
  // Whoever lowers it interrupts, so that several timers make for one interruption.
  while (earliest < until)
    if (covered_until.compare_exchange_weak(until, earliest, std::memory_order_seq_cst)) {
      hub::get_poller().interrupt();
      return;
    }
}

bool poller_covered() { return in_poller.load(std::memory_order_seq_cst) != nullptr; }

void pass_on_interrupt() {
  if (poller_covered()) hub::get_poller().interrupt();
}

void wake_all() {
  lock_guard guard(idle_lock);
  for (carrier* c = on_call.front(); c != nullptr; c = on_call.after(c)) carriers::call(*c);
  hub::get_poller().interrupt();
}

void forget_all() {
  idle_lock.reset();
  in_poller = nullptr;
  on_call = {};
  sleepers = 0;
  covered_until = nobody;
  waking = false;
}

}  // namespace vervet::idle
