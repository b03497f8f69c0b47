// Masks: what fibers block, what the kernel therefore blocks on the carriers, and how carriers
// follow.
#include <errno.h>

#include "runtime/cancel.h"
#include "runtime/kernel_threads.h"
#include "runtime/signal_internal.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet {

std::atomic<signal_set> common_mask{0};
std::atomic<bool> alternate_stacks_used{false};

// What carriers block that do not receive the process's signals: all but faults, what follows the
// fiber, what abort() sends to the calling thread, and libc's two.
static const std::atomic<signal_set> quiet_mask{
    ~(signal_bit(SIGSEGV) | signal_bit(SIGBUS) | signal_bit(SIGFPE) | signal_bit(SIGILL) |
      signal_bit(SIGTRAP) | signal_bit(SIGSYS) | signal_bit(SIGABRT) | follows_fiber |
      signals::unblockable)};

namespace signals {
namespace {

uint32_t living;
uint32_t blockers[64];
signal_set ever_blocked;

// The carrier on the main kernel thread; null where signals are the kernel's own matter.
carrier* receiver;

// Bumped when the receiver has adopted a mask that somebody waits for.
std::atomic<uint32_t> adoptions{0};
std::atomic<uint32_t> adoption_waiters{0};

template <typename Function>
void for_each_bit(signal_set set, Function visit) {
  for (; set != 0; set &= set - 1) visit(__builtin_ctzl(set));
}

signal_set blocked_by_all(signal_set candidates) {
  signal_set all = 0;
  for_each_bit(candidates, [&all](int bit) {
    if (blockers[bit] == living) all |= signal_set{1} << bit;
  });
  return living == 0 ? 0 : all;
}

std::atomic_ref<signal_set> known_mask(carrier& c) {
  return std::atomic_ref<signal_set>(c.kernel_mask);
}

signal_set mask_for(carrier& c, fiber& f) {
  return (mask_of(f).load(std::memory_order_relaxed) & follows_fiber) |
         (c.base_mask->load(std::memory_order_seq_cst) & ~follows_fiber);
}

void announce_adoption() {
  if (adoption_waiters.load(std::memory_order_seq_cst) == 0) return;
  adoptions.fetch_add(1, std::memory_order_seq_cst);
  sys::futex_wake(&adoptions, INT32_MAX);
}

// A SIGPIPE that the kernel left pending on this thread belongs to the fiber that ran into it,
// which may look for it (sigpending, sigwait) on another carrier: it moves to the fiber.
void collect_strays(carrier& c, signal_set unblocked) {
  siginfo_t info;
  while (raw::take_pending(unblocked, &info) > 0) {
    fiber* owner = thread::by_id(c.mask_owner);
    if (owner == nullptr) continue;
    lock_guard guard(mutex);
    if (owner->thread.signals_open) file(owner, info);
  }
}

void adopt_mask(carrier& c, fiber& f) {
  signal_set wanted;
  do {
    // Signal 33 leaves the mask to us while this is set; then we are the one to see its cause.
    c.mask_held.store(true, std::memory_order_seq_cst);
    wanted = mask_for(c, f);
    signal_set known = known_mask(c).load(std::memory_order_relaxed);
    signal_set unblocked = known & ~wanted & follows_fiber;
    if (unblocked != 0 && c.mask_owner != f.thread.id) collect_strays(c, unblocked);
    // Known first: the trampoline, on the way out of the system call, may block some more.
    known_mask(c).store(wanted, std::memory_order_seq_cst);
    if (wanted != known) raw::set_mask(wanted);
    c.mask_owner = f.thread.id;
    c.mask_held.store(false, std::memory_order_seq_cst);
  } while (mask_for(c, f) != wanted);
  announce_adoption();
}

void adopt_stack(carrier& c, const stack_t& wanted) {
  stack_t& known = c.alternate_stack;
  if (known.ss_sp == wanted.ss_sp && known.ss_size == wanted.ss_size &&
      known.ss_flags == wanted.ss_flags)
    return;
  char* elsewhere = static_cast<char*>(c.own_alternate_stack.ss_sp) + c.own_alternate_stack.ss_size;
  if (set_alternate_stack(wanted, elsewhere) == 0) known = wanted;
}

const stack_t& stack_for(carrier& c, fiber& f) {
  bool has_one = (f.thread.alternate_stack.ss_flags & SS_DISABLE) == 0;
  return has_one ? f.thread.alternate_stack : c.own_alternate_stack;
}

bool has_adopted(carrier& c) {
  signal_set wanted = c.base_mask->load(std::memory_order_seq_cst);
  signal_set known = known_mask(c).load(std::memory_order_seq_cst);
  return ((wanted ^ known) & ~follows_fiber) == 0 && !c.mask_held.load(std::memory_order_seq_cst);
}

void await_adoption(carrier& c) {
  constexpr int64_t patience = 10'000'000;
  adoption_waiters.fetch_add(1, std::memory_order_seq_cst);
  bool asked = false;
  for (;;) {
    uint32_t seen = adoptions.load(std::memory_order_seq_cst);
    if (has_adopted(c)) break;
    if (!asked) ask_kernel_thread(c.kernel_tid, kernel_thread_request::adopt_mask);
    timespec until = timespec_of(after(patience));
    asked = sys::futex_wait(&adoptions, seen, &until) != -ETIMEDOUT;
  }
  adoption_waiters.fetch_sub(1, std::memory_order_relaxed);
}

// In its own time.
void let_receiver_adopt(signal_set changed) {
  if (changed != 0 && receiver != nullptr)
    ask_kernel_thread(receiver->kernel_tid, kernel_thread_request::adopt_mask);
}

// Changes common_mask. What the kernel keeps pending comes to us first: who unblocks a signal finds
// its handler to have run, and the receiver would run it at some other time. Returns what changed.
signal_set publish_common_mask(signal_set now) {
  signal_set before = common_mask.load(std::memory_order_relaxed);
  if (now == before) return 0;
  siginfo_t info;
  if (receiver != nullptr)
    while (raw::take_pending(before & ~now, &info) > 0) file_caught(info, nullptr);
  common_mask.store(now, std::memory_order_seq_cst);
  return (now ^ before) & ~follows_fiber;
}

}  // namespace

signal_set count_mask(fiber& f, signal_set mask) {
  thread_part& t = f.thread;
  mask &= ~unblockable;
  signal_set gained = mask & ~t.signals_counted;
  signal_set lost = t.signals_counted & ~mask;
  for_each_bit(gained, [](int bit) { ++blockers[bit]; });
  for_each_bit(lost, [](int bit) { --blockers[bit]; });
  ever_blocked |= gained;
  t.signals_counted = mask;
  mask_of(f).store(mask, std::memory_order_seq_cst);
  signal_set before = common_mask.load(std::memory_order_relaxed);
  return publish_common_mask((before & ~lost) | blocked_by_all(gained));
}

void set_uncounted_mask(fiber& f, signal_set mask) {
  mask_of(f).store(mask & ~unblockable, std::memory_order_seq_cst);
}

void settle_mask(fiber& self, signal_set changed) {
  adopt_kernel_state(*self.on, self);
  if (changed != 0 && receiver != nullptr && receiver != self.on) await_adoption(*receiver);
}

void adopt_in_frame(ucontext_t& frame) {
  if (receiver == nullptr || receiver->kernel_tid != static_cast<int>(sys::gettid())) return;
  carrier& c = *receiver;
  if (c.mask_held.load(std::memory_order_seq_cst)) return;
  signal_set& mask = frame_mask(frame);
  mask = (mask & follows_fiber) | (c.base_mask->load(std::memory_order_seq_cst) & ~follows_fiber);
  known_mask(c).store(mask, std::memory_order_seq_cst);
  announce_adoption();
}

void set_mask(fiber& self, signal_set mask) {
  signal_set changed;
  {
    lock_guard guard(mutex);
    changed = count_mask(self, mask);
    recheck(self);
  }
  settle_mask(self, changed);
}

int alternate_stack(fiber& self, const stack_t* fresh, stack_t* old) {
  stack_t& present = self.thread.alternate_stack;
  bool in_use = lies_in(present, stack_pointer());
  stack_t before = present;
  if (in_use) before.ss_flags |= SS_ONSTACK;
  if (fresh != nullptr) {
    constexpr int autodisarm = 1 << 31;
    constexpr size_t least = 2048;  // the kernel's MINSIGSTKSZ
    int mode = fresh->ss_flags & ~autodisarm;
    if (in_use) return -EPERM;
    if (mode != 0 && mode != SS_ONSTACK && mode != SS_DISABLE) return -EINVAL;
    if (mode != SS_DISABLE && fresh->ss_size < least) return -ENOMEM;
    present = mode == SS_DISABLE
                  ? stack_t{nullptr, SS_DISABLE, 0}
                  : stack_t{fresh->ss_sp, fresh->ss_flags & autodisarm, fresh->ss_size};
    alternate_stacks_used.store(true, std::memory_order_relaxed);
    adopt_kernel_state_slow(*self.on, self);
  }
  if (old != nullptr) *old = before;
  return 0;
}

void expose_mask(fiber& self) {
  carrier& c = *self.on;
  c.mask_held.store(true, std::memory_order_seq_cst);
  raw::set_mask(mask_of(self).load(std::memory_order_relaxed));
}

void hide_mask(fiber& self) {
  carrier& c = *self.on;
  raw::set_mask(known_mask(c).load(std::memory_order_relaxed));
  c.mask_held.store(false, std::memory_order_seq_cst);
  adopt_mask(c, self);
}

void catch_up(fiber& self) {
  if (receiver == nullptr || receiver == self.on) return;
  // Not the real-time ones, which come in order: the receiving carrier may have taken the first.
  constexpr signal_set standard = signal_bit(lowest_realtime) - 1;
  signal_set wanted = handled_signals() & standard & ~common_mask.load(std::memory_order_relaxed);
  siginfo_t info;
  lock_guard guard(mutex);
  while (raw::take_pending(wanted, &info) > 0) file_caught(info, nullptr);
  dispatch(nullptr, &self);
}

void forget_masks() {
  living = 0;
  for (uint32_t& count : blockers) count = 0;
  ever_blocked = 0;
  common_mask.store(0, std::memory_order_relaxed);
  receiver = nullptr;
  adoption_waiters.store(0, std::memory_order_relaxed);
  alternate_stacks_used.store(false, std::memory_order_relaxed);
}

}  // namespace signals

void adopt_kernel_state_slow(carrier& c, fiber& f) {
  signals::adopt_mask(c, f);
  if (alternate_stacks_used.load(std::memory_order_relaxed))
    signals::adopt_stack(c, signals::stack_for(c, f));
}

void restore_kernel_mask(carrier& c, fiber& f) {
  // No fiber's: so it is set, whatever it was.
  signals::known_mask(c).store(~signal_set{0}, std::memory_order_seq_cst);
  signals::adopt_mask(c, f);
}

void carrier_signals_start(carrier& c) {
  using namespace signals;
  report_overflows_only();
  if (sys::call(SYS_sigaltstack, sys::word(&c.own_alternate_stack), 0) == 0)
    c.alternate_stack = c.own_alternate_stack;
  bool is_receiver = c.kernel_tid == static_cast<int>(sys::getpid()) && has_taken_over();
  if (is_receiver) receiver = &c;
  c.base_mask = is_receiver || !has_taken_over() ? &common_mask : &quiet_mask;
  c.mask_held.store(true, std::memory_order_seq_cst);
  signal_set mask = c.base_mask->load(std::memory_order_seq_cst);
  c.kernel_mask = mask;
  raw::set_mask(mask);
  c.mask_held.store(false, std::memory_order_seq_cst);
  // The main fiber is running already.
  if (fiber* f = c.running) adopt_kernel_state_slow(c, *f);
}

void signals_blocked_at_start(uint64_t mask) {
  using namespace signals;
  lock_guard guard(mutex);
  if (living == 0) common_mask.store(mask & ~unblockable, std::memory_order_seq_cst);
}

void fiber_mask_started(fiber& f) {
  using namespace signals;
  lock_guard guard(mutex);
  thread_part& t = f.thread;
  signal_set mask = mask_of(f).load(std::memory_order_relaxed) & ~unblockable;
  mask_of(f).store(mask, std::memory_order_relaxed);
  t.signals_counted = mask;
  t.signals_awaited.store(0, std::memory_order_relaxed);
  t.signals_open = true;
  for_each_bit(mask, [](int bit) { ++blockers[bit]; });
  ever_blocked |= mask;
  signal_set common = living++ == 0 ? mask : common_mask.load(std::memory_order_relaxed) & mask;
  let_receiver_adopt(publish_common_mask(common));
  // It may be the first that takes what has been waiting.
  if (process_pending.load(std::memory_order_relaxed) != 0) retarget(nullptr, nullptr);
}

void fiber_mask_ended(fiber& f) {
  using namespace signals;
  lock_guard guard(mutex);
  thread_part& t = f.thread;
  t.signals_open = false;
  --living;
  for_each_bit(t.signals_counted, [](int bit) { --blockers[bit]; });
  let_receiver_adopt(publish_common_mask(blocked_by_all(ever_blocked)));
  pending::drop(t.signal_queue, t.signals_pending, ~signal_set{0});
  heard(f);
  cancel::shut(f);
  if (process_pending.load(std::memory_order_relaxed) != 0) retarget(nullptr, nullptr);
}

}  // namespace vervet
