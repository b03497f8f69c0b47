#include "runtime/idle.h"

#include "runtime/carrier.h"
#include "runtime/hub.h"
#include "runtime/lock.h"
#include "runtime/monitor.h"
#include "runtime/scheduler.h"
#include "runtime/sys.h"

namespace vervet::idle {

std::atomic<unsigned> sleepers{0};

namespace {

// A carrier that is usually busy for longer than this leaves nobody's poller uncovered meanwhile. Calling
// another one costs some microseconds on both sides.
constexpr int64_t long_burst = 50'000;

// Until when the sleeper in the poller sleeps: nobody there is earlier than every deadline.
constexpr deadline nobody = INT64_MIN;

lock idle_lock;
carrier* in_poller;
list<carrier> on_call;
std::atomic<deadline> covered_until{nobody};
std::atomic<bool> waking{false};

void sleep_in_poller() {
  deadline until = hub::earliest();
  covered_until.store(until, std::memory_order_seq_cst);
  // Published first, looked at again second: who arms an earlier timer now sees us.
  deadline earliest = hub::earliest();
  if (earliest < until) until = earliest;
  if (scheduler::work_waits()) until = at_once;
  hub::poll(until);
  covered_until.store(nobody, std::memory_order_relaxed);
}

void sleep_on_call(carrier& c) {
  while (!scheduler::work_waits() && c.call.load(std::memory_order_acquire) == 0)
    sys::futex_wait(&c.call, 0);
}

void note_burst(carrier& c) {
  if (c.busy_since == 0) return;
  int64_t burst = now() - c.busy_since;
  int64_t blend = c.usual_burst - (c.usual_burst - burst) / 8;
  c.usual_burst = burst > blend ? burst : blend;
}

}  // namespace

void sleep(carrier& c) {
  note_burst(c);
  bool polls;
  {
    lock_guard guard(idle_lock);
    polls = in_poller == nullptr;
    if (polls)
      in_poller = &c;
    else
      on_call.push_front(&c);
    sleepers.fetch_add(1, std::memory_order_seq_cst);
  }
  cover_timers();
  if (polls)
    sleep_in_poller();
  else
    sleep_on_call(c);
  c.busy_since = now();
  bool called, others;
  {
    lock_guard guard(idle_lock);
    called = c.called;
    if (polls) in_poller = nullptr;
    if (!called) {
      sleepers.fetch_sub(1, std::memory_order_relaxed);
      if (!polls) list<carrier>::remove(&c);
    }
    c.called = false;
    c.call.store(0, std::memory_order_relaxed);
    others = !on_call.empty();
  }
  if (called) waking.store(false, std::memory_order_seq_cst);
  if (!polls) return;
  if (others && c.usual_burst > long_burst) wake_one();
  monitor::note_uncovered();
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
    if (chosen == nullptr && in_poller != nullptr && !in_poller->called) {
      chosen = in_poller;
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
  deadline until = covered_until.load(std::memory_order_seq_cst);
  deadline earliest = hub::earliest();
  // Whoever lowers it interrupts, so that several timers make for one interruption.
  while (earliest < until)
    if (covered_until.compare_exchange_weak(until, earliest, std::memory_order_seq_cst)) {
      hub::get_poller().interrupt();
      return;
    }
}

bool poller_covered() {
  return covered_until.load(std::memory_order_seq_cst) != nobody;
}

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
