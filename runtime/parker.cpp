#include "runtime/parker.h"

#include "runtime/fiber.h"
#include "runtime/hub.h"
#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"
#include "runtime/watcher.h"

namespace vervet {
namespace {

thread_local parker os_thread_parker __attribute__((tls_model("initial-exec")));

void make_runnable(fiber& f) {
  if (f.kind == fiber_kind::light)
    f.hub->enqueue(f);
  else
    scheduler::enqueue(f);
}

// It was asleep, and this caller has woken it.
inline void was_woken(parker& who) {
  if (who.kind_of_sleeper == sleeper_kind::fiber) [[likely]]
    make_runnable(static_cast<fiber&>(who));
  else if (who.kind_of_sleeper == sleeper_kind::os_thread)
    sys::futex_wake(&who.word, 1);
  else
    static_cast<watcher&>(who).hub->fire(static_cast<watcher&>(who));
}

// Moves `who` from armed or asleep to woken, if its word still is `seen`.
bool end_wait(parker& who, uint64_t seen, wake_reason reason) {
  park_state state = parker::state_of(seen);
  if (state != park_state::armed && state != park_state::asleep) return false;
  uint64_t woken = parker::pack(parker::epoch_of(seen), reason, park_state::woken);
  if (!who.word.compare_exchange_strong(seen, woken, std::memory_order_acq_rel)) return false;
  // An armed fiber's stack is not saved yet: commit_park() sees the word and makes it runnable.
  if (state == park_state::asleep || who.kind_of_sleeper != sleeper_kind::fiber) was_woken(who);
  return true;
}

void commit_park(void* argument) {
  fiber& f = *static_cast<fiber*>(argument);
  uint64_t seen = f.word.load(std::memory_order_acquire);
  if (parker::state_of(seen) == park_state::armed) {
    uint64_t asleep = parker::pack(parker::epoch_of(seen), wake_reason::none, park_state::asleep);
    if (f.word.compare_exchange_strong(seen, asleep, std::memory_order_acq_rel)) return;
  }
  make_runnable(f);
}

void park_fiber(fiber& f, uint64_t epoch, wait_for what, deadline until) {
  if (until != never) {
    if (f.kind == fiber_kind::light)
      f.hub->arm_timer(f, epoch, until);
    else
      hub::arm_timer(f, epoch, until);
  }
  if (f.kind == fiber_kind::light) {
    f.hub->leave(f, commit_park, &f);
    if (until != never) f.hub->cancel_timer(f);
    return;
  }
  ++f.on->count.parks[static_cast<unsigned>(what)];
  scheduler::leave(f, commit_park, &f);
  if (until != never) hub::cancel_timer(f);
}

void park_os_thread(parker& self, uint64_t epoch, deadline until) {
  const void* low_half = &self.word;
  for (;;) {
    uint64_t seen = self.word.load(std::memory_order_acquire);
    if (parker::state_of(seen) == park_state::woken) return;
    timespec at = timespec_of(until);
    long result = sys::futex_wait(low_half, static_cast<uint32_t>(seen),
                                  until == never ? nullptr : &at);
    if (result == -ETIMEDOUT) wake(self, epoch, wake_reason::timed_out);
  }
}

bool accepts_scopes(const parker& self) {
  auto accepts = static_cast<uint32_t>(self.present.load(std::memory_order_relaxed));
  return (accepts & static_cast<uint32_t>(wait_class::scopes)) != 0;
}

wake_reason sleep(parker& self, wait_for what, deadline until) {
  uint64_t armed = self.word.load(std::memory_order_acquire);
  uint64_t epoch = parker::epoch_of(armed);
  if (parker::state_of(armed) == park_state::armed) {
    if (self.kind_of_sleeper == sleeper_kind::fiber) {
      auto& f = static_cast<fiber&>(self);
      wait_class accepts = self.present.load(std::memory_order_relaxed);
      if (interruption_due(f, accepts))
        wake(self, epoch, wake_reason::interrupted);
      else
        park_fiber(f, epoch, what, until);
    } else {
      park_os_thread(self, epoch, until);
    }
  }
  return self.finish_wait();
}

}  // namespace

bool wake(parker& who, uint64_t epoch, wake_reason reason) {
  uint64_t asleep = parker::pack(epoch, wake_reason::none, park_state::asleep);
  uint64_t woken = parker::pack(epoch, reason, park_state::woken);
  if (who.word.compare_exchange_strong(asleep, woken, std::memory_order_acq_rel)) [[likely]] {
    was_woken(who);
    return true;
  }
  for (;;) {
    uint64_t seen = who.word.load(std::memory_order_acquire);
    if (parker::epoch_of(seen) != epoch) return false;
    if (end_wait(who, seen, reason)) return true;
    // The word moved from armed to asleep under us, or the wait is over.
    park_state state = parker::state_of(who.word.load(std::memory_order_acquire));
    if (state == park_state::awake || state == park_state::woken) return false;
  }
}

bool interrupt(parker& who, uint32_t interrupt, wake_reason reason) {
  for (;;) {
    uint64_t seen = who.word.load(std::memory_order_seq_cst);
    park_state state = parker::state_of(seen);
    if (state != park_state::armed && state != park_state::asleep) return false;
    // Written before the epoch that `seen` shows; should it belong to a later one, the exchange fails.
    auto accepts = static_cast<uint32_t>(who.present.load(std::memory_order_relaxed));
    if ((accepts & interrupt) == 0 &&
        parker::epoch_of(who.word.load(std::memory_order_seq_cst)) == parker::epoch_of(seen))
      return false;
    if ((accepts & interrupt) != 0 && end_wait(who, seen, reason)) return true;
  }
}

parker& self_parker() {
  if (self_state.current != nullptr) return *self_state.current;
  return os_thread_parker;
}

wake_reason park(parker& self, wait_for what, deadline until) {
  if (!accepts_scopes(self)) return sleep(self, what, until);
  fiber* f = self_state.current;
  if (f != nullptr ? scope::only_kills(*f) : self_state.own.scopes == nullptr) [[likely]]
    return sleep(self, what, until);
  deadline bound = until;
  if (!scope::begin_wait(self, bound)) bound = at_once;
  if (bound == at_once && until != at_once)
    wake(self, parker::epoch_of(self.word.load(std::memory_order_relaxed)), wake_reason::cut);
  wake_reason reason = sleep(self, what, bound);
  scope::end_wait();
  return reason == wake_reason::timed_out && bound < until ? wake_reason::cut : reason;
}

wake_reason disarm(parker& self) {
  uint64_t seen = self.word.load(std::memory_order_acquire);
  wake(self, parker::epoch_of(seen), wake_reason::none);
  return self.finish_wait();
}

}  // namespace vervet
