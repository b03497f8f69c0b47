#include "interpose/sync_common.h"

namespace vervet::interpose::sync {
namespace {

// True if the wait ends with EINTR.
bool interrupted_for_good(const wait_request& r) {
  interruption handled = handle_interruption(r.cancellable);
  if (r.handlers == after_handler::fail) return handled != interruption::nothing;
  return r.handlers == after_handler::restart && handled == interruption::fail;
}

}  // namespace

int sleep_while(const wait_request& r, lot::call_ref busy) {
  deadline starved_at = after(fair_after);
  slices looks(r.until, r.shared);
  lot::request sleep{
      .address = r.address,
      .what = r.what,
      .bits = r.bits,
      .interruptible = r.cancellable ? wait_class::fallible : wait_class::signals,
      .validate = busy,
  };
  for (;;) {
    sleep.until = looks.next();
    switch (lot::park(sleep)) {
      case lot::outcome::invalid: return 0;
      case lot::outcome::timed_out:
        if (looks.last()) return ETIMEDOUT;
        break;
      case lot::outcome::interrupted:
        if (interrupted_for_good(r)) return EINTR;
        break;
      case lot::outcome::cut:
        if (scope::due()) return ECANCELED;
        break;
      case lot::outcome::unparked:
      case lot::outcome::deadlock: break;  // which does not end it
    }
    if (r.bits == ordinary_waiter && now() >= starved_at) {
      sleep.bits = starved_waiter;
      sleep.ahead = true;
    }
  }
}

void wake_one_slow(const void* address) {
  // Starved waiters stand ahead of the others, so the first is one of them if there is any.
  if (lot::unpark_first(address) == starved_waiter) yield_fiber();
}

uint32_t owner_id() {
  if (uint32_t id = thread::light_id(); id != 0) return id;
  fiber* self = thread::self();
  return self != nullptr ? thread::self_id(*self) : static_cast<uint32_t>(sys::gettid());
}

void yield_fiber() {
  if (!on_fiber()) return;
  runtime_scope scope;
  scheduler::yield();
  // Whom an OS thread waits for may be another one.
  if (self_state.host == nullptr) sys::call(SYS_sched_yield);
}

}  // namespace vervet::interpose::sync
