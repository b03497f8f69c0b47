// The C interface: what waits.
#include <errno.h>
#include <sys/single_threaded.h>

#include "runtime/deadlock.h"
#include "runtime/handle.h"
#include "runtime/interrupt.h"
#include "runtime/light_join.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/thread_state.h"
#include "vervet/abi.h"

using namespace vervet;

namespace {

// When the calling thread looks again for a deadlock, over parks that ended for nothing.
thread_local later_looks looks_over_parks __attribute__((tls_model("initial-exec")));

// A thread without fibers waits without a deadline: in vain if no other thread is left. A look leaves
// the line for a moment; who cannot validate must look himself whether he missed something then.
int park_alone(lot::request request, bool validates) {
  later_looks looks_in_this;
  later_looks& looks = validates ? looks_in_this : looks_over_parks;
  deadline until = __libc_single_threaded ? at_once : looks.next();
  for (;;) {
    request.until = until;
    lot::outcome outcome = handle::park_api(request, nullptr);
    if (outcome != lot::outcome::timed_out || until == never) {
      looks.reset();
      return lot::error_of(outcome);
    }
    if (alone_in_process() && request.validate()) return EDEADLK;
    if (!validates) return 0;
    until = looks.next();
  }
}

wake_reason sleep_once(deadline until) {
  fiber* current = self_state.current;
  if (current != nullptr && current->kind == fiber_kind::light)
    return current->hub->park_here(*current, wait_class::api, until);
  parker& self = self_parker();
  self.arm(wait_class::api);
  return park(self, wait_for::sleep, until);
}

int sleep(deadline until) {
  runtime_scope scope;
  for (;;) {
    wake_reason reason = sleep_once(until);
    if (reason == wake_reason::timed_out) return 0;
    if (reason == wake_reason::cut && scope::due()) return ECANCELED;
    if (reason == wake_reason::interrupted) handle_interruption(false);
  }
}

}  // namespace

int vervet_park(const void* address, int (*validate)(void*), void* argument, int64_t deadline,
                unsigned flags) {
  runtime_scope scope;
  auto valid = [=] { return validate == nullptr || validate(argument) != 0; };
  lot::request request{.address = address, .until = deadline, .validate = valid};
  bool outside = (flags & VERVET_PARK_OUTSIDE) != 0;
  if ((flags & VERVET_PARK_UNCUT) != 0 || outside) {
    bool cuttable = (flags & VERVET_PARK_UNCUT) == 0;
    request.interruptible = cuttable ? wait_class::api : wait_class::signals;
    lot::outcome outcome = lot::park(request);
    if (outcome == lot::outcome::interrupted) handle_interruption(false);
    return outcome == lot::outcome::cut && !scope::due() ? 0 : lot::error_of(outcome);
  }
  if (deadline == never && self_state.current == nullptr && !scope::bounded())
    return park_alone(request, validate != nullptr);
  return lot::error_of(handle::park_api(request, nullptr));
}

unsigned vervet_unpark(const void* address, unsigned count) { return lot::unpark(address, count); }

uint64_t vervet_self() {
  fiber* current = self_state.current;
  if (current != nullptr && current->kind == fiber_kind::light && current->handle != nullptr)
    return current->handle->number << 1 | 1;
  return reinterpret_cast<uintptr_t>(&self_state);
}

void** vervet_local_slot() { return &own_state().local; }

[[gnu::flatten]] int vervet_join(vervet_fiber* fiber, void** result, int64_t deadline) {
  runtime_scope scope;
  int error = handle::join(*fiber, deadline);
  if (error == 0 && result != nullptr) *result = fiber->result;
  return error;
}

int vervet_joinall(vervet_fiber* const* fibers, size_t count, int64_t deadline) {
  for (size_t i = 0; i < count; ++i) {
    if (fibers[i] == nullptr) continue;
    int error = vervet_join(fibers[i], nullptr, deadline);
    if (error != 0) return error;
  }
  return 0;
}

int vervet_has_ended(const vervet_fiber* fiber) {
  return fiber->state() == handle_state::ended;
}

void vervet_release(vervet_fiber* fiber) {
  if (fiber == nullptr) return;
  runtime_scope scope;
  light_hub* hub = self_state.hub;
  record::release(hub != nullptr ? &hub->records : nullptr, *fiber);
}

namespace {

[[gnu::noinline]] int yield_otherwise(fiber* current) {
  if (current != nullptr && current->kind == fiber_kind::full) {
    scheduler::yield();
    const vervet_scope* innermost = current->own.scopes;
    bool not_scoped = innermost == nullptr || innermost == &current->root;
    if (not_scoped && __atomic_load_n(&current->root.cancelled, __ATOMIC_RELAXED) == 0) [[likely]]
      return 0;
  } else if (current != nullptr) {
    runtime_scope scope;
    current->hub->yield(*current);
  }
  return scope::due() ? ECANCELED : 0;
}

}  // namespace

[[gnu::flatten]] int vervet_yield() {
  fiber* current = self_state.current;
  if (current == nullptr || !current->plain()) [[unlikely]]
    return yield_otherwise(current);
  return light_hub::yield_plain(*current);
}

int vervet_idle() {
  fiber* current = self_state.current;
  if (current == nullptr) return vervet_yield();
  runtime_scope scope;
  if (current->kind == fiber_kind::light)
    current->hub->yield_to_all(*current);
  else
    scheduler::yield_to_all();
  return scope::due() ? ECANCELED : 0;
}

int vervet_sleep_for(int64_t nanoseconds) {
  if (nanoseconds <= 0) return vervet_yield();
  return sleep(after(nanoseconds));
}

int vervet_sleep_until(int64_t deadline) {
  if (deadline <= now()) return vervet_yield();
  return sleep(deadline);
}

int64_t vervet_after(int64_t nanoseconds) { return nanoseconds <= 0 ? now() : after(nanoseconds); }

