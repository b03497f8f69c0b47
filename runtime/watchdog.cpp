#include "runtime/watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "runtime/carrier.h"
#include "runtime/check.h"
#include "runtime/environment.h"
#include "runtime/inquiry.h"
#include "runtime/light_hub.h"
#include "runtime/lock.h"
#include "runtime/native_thread.h"
#include "runtime/scheduler.h"
#include "runtime/stack_text.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet::watchdog {

std::atomic<bool> watching{false};

namespace {

constexpr int64_t shortest_limit = 1'000'000;
constexpr int64_t longest_limit = 3600'000'000'000;
constexpr int64_t looks_in_a_limit = 4;
// How many looks in a row it finds nobody running before it sleeps until it is called: a hub that
// goes to sleep and wakes all the time does not call it each time.
constexpr unsigned quiet_looks_before_sleep = 4;
constexpr size_t stack_size = 256 * 1024;

enum : uint32_t { ticking, asleep };

std::atomic<uint32_t> state{ticking};

lock environment_lock;  // guards what follows until it is read for the first time
bool environment_read;
int64_t limit = 0;  // 0: off

lock hubs_lock;
list<watched> hubs;

bool in_turn(uint64_t turn) { return (turn & 1) != 0; }

// A hub that has been in one turn for too long.
struct suspect {
  watched* hub;
  uint64_t turn;
  int64_t held;
  int kernel_tid;
};

// Where the hub runs now, if it does. REQUIRES: the lock.
int kernel_tid_of(const watched& w) {
  if (w.host == nullptr) return w.kernel_tid;
  // It may be moving; the thread that is asked will tell.
  const carrier* on = __atomic_load_n(&w.host->on, __ATOMIC_RELAXED);
  return on != nullptr ? on->kernel_tid : 0;
}

// Notes what turn the hub is in; true if it has been in it for too long and was not reported.
// REQUIRES: the lock.
bool overstays(watched& w, deadline time) {
  uint64_t turn = w.turn.load(std::memory_order_acquire);
  if (turn != w.seen) {
    w.seen = turn;
    w.since = time;
  }
  return in_turn(turn) && turn != w.reported && time - w.since >= limit;
}

// The next hub after `last` (null: the first) in the order of their addresses that overstays: the
// list may change between two calls.
suspect next_suspect(const watched* last, deadline time) {
  lock_guard guard(hubs_lock);
  watched* found = nullptr;
  for (watched* w = hubs.front(); w != nullptr; w = hubs.after(w))
    if (overstays(*w, time) && w > last && (found == nullptr || w < found)) found = w;
  if (found == nullptr) return {};
  return {found, found->seen, time - found->since, kernel_tid_of(*found)};
}

// Who runs in the turn, seen from outside; false if that is over.
bool identify(const suspect& s, inquiry::culprit& who) {
  lock_guard guard(hubs_lock);
  watched& w = *s.hub;
  // The control blocks that this may meet are never unmapped; only the same turn makes sense of
  // them.
  if (!w.linked() || w.turn.load(std::memory_order_acquire) != s.turn) return false;
  who = inquiry::who_runs(*w.state);
  std::atomic_thread_fence(std::memory_order_acquire);
  return w.turn.load(std::memory_order_relaxed) == s.turn;
}

void print(const inquiry::finding& f, int64_t held) {
  static text_block block;
  block.clear();
  block.add("vervet: ");
  if (f.who.number == 0)
    block.add("the host's own flow");
  else if (f.who.name[0] != '\0')
    block.add("fiber '%s' (#%lu)", f.who.name, static_cast<unsigned long>(f.who.number));
  else
    block.add("fiber #%lu", static_cast<unsigned long>(f.who.number));
  block.add(" has held its hub for %ld ms:\n", static_cast<long>(held / 1'000'000));
  block.add_frames(f.frames, f.frame_count);
  if (!f.complete) block.add("  (its callers are not known: it was left undisturbed)\n");
  block.write_to_stderr();
}

void report(const suspect& s) {
  inquiry::finding f{};
  inquiry::outcome outcome = inquiry::look(s.kernel_tid, *s.hub->hub, s.turn, f);
  if (outcome == inquiry::outcome::over) return;
  if (outcome == inquiry::outcome::unanswered && !identify(s, f.who)) return;
  s.hub->reported = s.turn;
  print(f, s.held);
}

bool anybody_runs() {
  lock_guard guard(hubs_lock);
  for (watched* w = hubs.front(); w != nullptr; w = hubs.after(w))
    if (in_turn(w->turn.load(std::memory_order_relaxed))) return true;
  return false;
}

// The process was stopped, or the machine had no time for us: nobody's turn has lasted longer for
// that.
void allow_for(int64_t lateness) {
  lock_guard guard(hubs_lock);
  for (watched* w = hubs.front(); w != nullptr; w = hubs.after(w)) w->since += lateness;
}

void sleep_until_called() {
  state.store(asleep, std::memory_order_seq_cst);
  // A hub begins its turn, then looks whether we sleep.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (!anybody_runs())
    while (state.load(std::memory_order_acquire) == asleep) sys::futex_wait(&state, asleep);
  state.store(ticking, std::memory_order_relaxed);
}

void look_around(deadline time) {
  for (suspect s{}; (s = next_suspect(s.hub, time)).hub != nullptr;) report(s);
}

void* run(void*) {
  // Its own calls into libc, and an allocator's into us, must never park.
  self_state.in_runtime = 1;
  sys::name_thread("vervet-watchdog");
  if (inquiry::prepare() != 0) return nullptr;
  const int64_t interval = limit / looks_in_a_limit;
  unsigned quiet_looks = 0;
  for (;;) {
    deadline next = after(interval);
    timespec until = timespec_of(next);
    while (sys::futex_wait(&state, ticking, &until) != -ETIMEDOUT) {
    }
    deadline time = now();
    if (time - next > interval) allow_for(time - next);
    look_around(time);
    quiet_looks = anybody_runs() ? 0 : quiet_looks + 1;
    if (quiet_looks < quiet_looks_before_sleep) continue;
    sleep_until_called();
    quiet_looks = 0;
  }
}

int start() {
  int error = start_native_thread(nullptr, run, nullptr, stack_size);
  if (error == 0) scheduler::note_kernel_thread(+1);
  return error;
}

}  // namespace

void read_environment() {
  lock_guard guard(environment_lock);
  if (environment_read) return;
  environment_read = true;
  constexpr const char* name = "VERVET_MAX_BLOCKING_TIME";
  const char* text = getenv(name);
  if (text == nullptr) return;
  if (!parse_duration(text, longest_limit, limit) || limit < shortest_limit)
    refuse_setting(name, text, "expected a time from 1ms to 3600s, such as 100ms");
}

void note_running() {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (state.load(std::memory_order_relaxed) != asleep) return;
  uint32_t expected = asleep;
  if (state.compare_exchange_strong(expected, ticking, std::memory_order_acq_rel))
    sys::futex_wake(&state, 1);
}

void hub_starts(light_hub& hub) {
  read_environment();
  if (limit == 0) return;
  runtime_scope scope;
  watched& w = hub.watched();
  {
    lock_guard guard(hubs_lock);
    w.hub = &hub;
    w.host = hub.host();
    w.state = &self_state;
    w.kernel_tid = static_cast<int>(sys::gettid());
    w.next = w.previous = nullptr;
    hubs.push_back(&w);
  }
  if (watching.exchange(true, std::memory_order_relaxed)) return;
  if (int error = start(); error != 0)
    say("no thread to watch for blocking fibers: error %d", error);
}

void hub_ends(light_hub& hub) {
  watched& w = hub.watched();
  w.pause();
  if (!watching.load(std::memory_order_relaxed)) return;
  lock_guard guard(hubs_lock);
  if (w.linked()) list<watchdog::watched>::remove(&w);
}

void forget() {
  watching.store(false, std::memory_order_relaxed);
  state.store(ticking, std::memory_order_relaxed);
  environment_lock.reset();
  hubs_lock.reset();
  hubs = {};
  inquiry::forget();
}

}  // namespace vervet::watchdog
