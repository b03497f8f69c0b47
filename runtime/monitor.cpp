#include "runtime/monitor.h"

#include <atomic>
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "runtime/carrier.h"
#include "runtime/deadline.h"
#include "runtime/hub.h"
#include "runtime/idle.h"
#include "runtime/kernel_threads.h"
#include "runtime/native_thread.h"
#include "runtime/perturb.h"
#include "runtime/scheduler.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet::monitor {
namespace {

constexpr size_t stack_size = 128 * 1024;
// How many looks in a row it finds the poller covered before it sleeps until it is called: where carriers
// go to sleep and wake all the time it is not called each time. Where they do so now and then, one.
constexpr unsigned quiet_looks_before_sleep = 4;
constexpr int64_t now_and_then = 50'000'000;

enum : uint32_t { ticking = 0, asleep = 1, stopping = 2 };

constexpr int64_t looks_in_a_tick = 4;

int64_t tick_length;
int64_t look_interval;
std::atomic<uint32_t> state{ticking};
std::atomic<uint64_t> hand_over_total{0};
std::atomic<uint64_t> preemption_total{0};
pthread_t thread;

// What was seen of each worker: its turn, since when, the CPU time that its carrier had used then, and
// had used at the last look.
struct observation {
  uint32_t turn;
  deadline since;
  int64_t cpu_at_first;
  int64_t cpu_at_last;
  unsigned preemptions;  // asked for in this turn, and when last
  deadline asked;
};
observation seen[scheduler::max_workers];

// Gives the worker to a spare carrier, or to a new one if that may be made. False if it stays.
bool hand_over(worker& w, uint32_t turn, bool may_make) {
  carrier* from = w.owner.load(std::memory_order_relaxed);
  // Another kernel thread is not made for a mere try.
  if (!runs_program(w, *from, turn)) return false;
  carrier* heir = carriers::take_spare(may_make);
  if (heir == nullptr) return false;
  if (!take_over(w, *from, turn, *heir)) {
    carriers::give_back(*heir);
    return false;
  }
  hand_over_total.fetch_add(1, std::memory_order_relaxed);
  carriers::employ(*heir);
  return true;
}

// A fiber that computes gets another kernel thread if there are few; else fibers that compute take
// turns, or a program with many of them would have as many kernel threads.
void relieve_computing(worker& w, observation& o, carrier& c, deadline time) {
  constexpr unsigned tries = 4;  // it may be where it cannot be interrupted
  if (o.preemptions != 0 && time - o.asked < tick_length) return;
  bool may_make = scheduler::within_budget() || o.preemptions >= tries;
  if (hand_over(w, o.turn, may_make)) return;
  ++o.preemptions;
  o.asked = time;
  c.preempt_turn.store(uint64_t{o.turn} + 1, std::memory_order_release);
  preemption_total.fetch_add(1, std::memory_order_relaxed);
  ask_kernel_thread(c.kernel_tid, kernel_thread_request::preempt);
}

int64_t cpu_time_of(const carrier& c) {
  constexpr unsigned of_a_thread = 6;  // the kernel's numbering of per-thread CPU clocks
  timespec t{};
  sys::call(SYS_clock_gettime, static_cast<long>(~static_cast<unsigned>(c.kernel_tid) << 3 | of_a_thread),
            sys::word(&t));
  return nanoseconds_of(t);
}

enum class verdict { patience, blocked, computing };

// Whether there is no use in waiting for the fiber that has had the carrier since `o`: it has slept in
// the kernel since the last look, in a call that is not ours, or it has computed for a tick. One that
// the kernel did not let compute gets more patience: what delays it would delay another carrier too.
verdict judge(const carrier& c, observation& o, int64_t stayed) {
  constexpr int64_t patience_in_ticks = 5;
  int64_t cpu = cpu_time_of(c);
  bool idle_since_last = cpu == o.cpu_at_last;
  o.cpu_at_last = cpu;
  switch (carriers::state_of(c)) {
    case 'S':
    case 'D': return idle_since_last ? verdict::blocked : verdict::patience;
    case 'R':
      return stayed >= tick_length && (cpu - o.cpu_at_first >= tick_length / 2 ||
                                       stayed >= tick_length * patience_in_ticks)
                 ? verdict::computing
                 : verdict::patience;
    default: return stayed >= tick_length ? verdict::blocked : verdict::patience;
  }
}

// For how long the worker has been in its present turn, as far as was seen.
int64_t time_in_turn(worker& w, const carrier& c, deadline time) {
  observation& o = seen[w.index];
  uint32_t turn = w.turns.load(std::memory_order_acquire);
  if (turn != o.turn || o.since == 0) {
    int64_t cpu = cpu_time_of(c);
    o = {turn, time, cpu, cpu, 0, 0};
  }
  return time - o.since;
}

void look_at(worker& w, deadline time) {
  carrier* c = w.owner.load(std::memory_order_acquire);
  int64_t stayed = time_in_turn(w, *c, time);
  bool forced = perturb::chance(4);
  if (stayed < look_interval && !forced) return;
  if (c->running.load(std::memory_order_acquire) == nullptr) return;
  if (!scheduler::work_waits() && !forced) return;
  // An idle worker comes before another kernel thread.
  if (idle::any()) return idle::wake_one();
  observation& o = seen[w.index];
  if (forced) {
    if (perturb::chance(2)) return relieve_computing(w, o, *c, time);
    hand_over(w, o.turn, true);
    return;
  }
  switch (judge(*c, o, stayed)) {
    case verdict::patience: return;
    case verdict::blocked: hand_over(w, o.turn, true); return;
    case verdict::computing: return relieve_computing(w, o, *c, time);
  }
}

void look_around() {
  if (!idle::poller_covered()) {
    if (idle::any()) {
      // A burst that was expected to be short is not: somebody idle watches the poller meanwhile.
      idle::wake_one();
    } else {
      hub::look();
      hub::fire_timers();
    }
  }
  deadline time = now();
  for (unsigned i = 0; i < scheduler::worker_count(); ++i) look_at(scheduler::worker_at(i), time);
}

bool nothing_owed() { return idle::poller_covered() && !scheduler::work_waits(); }

void sleep_until_owed() {
  uint32_t expected = ticking;
  if (!state.compare_exchange_strong(expected, asleep, std::memory_order_seq_cst)) return;
  while (nothing_owed() && state.load(std::memory_order_acquire) == asleep)
    sys::futex_wait(&state, asleep);
  expected = asleep;
  state.compare_exchange_strong(expected, ticking, std::memory_order_acq_rel);
}

void* run(void*) {
  // Its own calls into libc, and an allocator's into us, must never park.
  self_state.in_runtime = 1;
  sys::name_thread("vervet-monitor");
  unsigned quiet_looks = 0;
  bool slept_long = false;
  while (state.load(std::memory_order_acquire) != stopping) {
    timespec until = timespec_of(after(look_interval));
    sys::futex_wait(&state, ticking, &until);
    if (nothing_owed() && !perturb::on()) {
      if (++quiet_looks < quiet_looks_before_sleep && !slept_long) continue;
      deadline before = now();
      sleep_until_owed();
      slept_long = now() - before > now_and_then;
      quiet_looks = 0;
      continue;
    }
    slept_long = false;
    quiet_looks = 0;
    look_around();
  }
  return nullptr;
}

}  // namespace

int start(int64_t tick) {
  tick_length = tick;
  look_interval = tick / looks_in_a_tick;
  state = ticking;
  int error = start_native_thread(&thread, run, nullptr, stack_size);
  if (error == 0) scheduler::note_kernel_thread(+1);
  return error;
}

void stop() {
  scheduler::note_kernel_thread(-1);
  state.store(stopping, std::memory_order_seq_cst);
  sys::futex_wake(&state, 1);
  libc.pthread_join(thread, nullptr);
}

void note_owed() {
  if (state.load(std::memory_order_seq_cst) != asleep) return;
  uint32_t expected = asleep;
  if (state.compare_exchange_strong(expected, ticking, std::memory_order_seq_cst))
    sys::futex_wake(&state, 1);
}

uint64_t preemptions() { return preemption_total.load(std::memory_order_relaxed); }
uint64_t hand_overs() { return hand_over_total.load(std::memory_order_relaxed); }

void forget() {
  state = ticking;
  for (observation& o : seen) o = {};
}

}  // namespace vervet::monitor
