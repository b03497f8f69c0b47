// pthread_create and what concerns the life of threads.
#include "interpose/dormant.h"
#include "interpose/real.h"
#include "interpose/settings.h"
#include "interpose/startup.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

// A stack size the program did not choose may be ours to choose.
size_t unasked_stack_size(size_t libc_default) {
  size_t ours = get_settings().stack_size;
  return ours != 0 ? ours : libc_default;
}

void read_default_attributes(thread::options& o) {
  pthread_attr_t defaults;
  if (pthread_getattr_default_np(&defaults) != 0) return;
  pthread_attr_getstacksize(&defaults, &o.stack_size);
  pthread_attr_getguardsize(&defaults, &o.guard_size);
  o.stack_size = unasked_stack_size(o.stack_size);
  pthread_attr_destroy(&defaults);
}

void read_attributes(const pthread_attr_t* attributes, thread::options& o) {
  read_default_attributes(o);
  if (attributes == nullptr) return;
  size_t asked = 0;
  size_t libc_default = 0;
  pthread_attr_getstacksize(attributes, &asked);
  pthread_attr_t fresh;
  if (pthread_attr_init(&fresh) == 0) {
    // An attribute object that names no size answers with the default.
    pthread_attr_getstacksize(&fresh, &libc_default);
    pthread_attr_destroy(&fresh);
  }
  if (asked != libc_default) o.stack_size = asked;
  pthread_attr_getguardsize(attributes, &o.guard_size);
  int state = PTHREAD_CREATE_JOINABLE;
  pthread_attr_getdetachstate(attributes, &state);
  o.detached = state == PTHREAD_CREATE_DETACHED;
  void* stack_low = nullptr;
  size_t stack_size = 0;
  pthread_attr_getstack(attributes, &stack_low, &stack_size);
  // libc keeps the top; an object without a stack has zero there.
  if (reinterpret_cast<uintptr_t>(stack_low) + stack_size != 0) {
    o.stack = stack_low;
    o.stack_size = stack_size;
  }
  cpu_set_t cpus;
  // An object that names no CPUs answers with all there could be.
  if (pthread_attr_getaffinity_np(attributes, sizeof cpus, &cpus) == 0 &&
      CPU_COUNT(&cpus) != CPU_SETSIZE)
    memcpy(&o.affinity, &cpus, sizeof o.affinity);
  sigset_t mask;
  if (pthread_attr_getsigmask_np(attributes, &mask) == 0)
    o.signal_mask = *reinterpret_cast<const uint64_t*>(&mask);
}

int join(pthread_t handle, void** result, deadline until) {
  runtime_scope scope;
  cancellation_point();
  return thread::join(*thread::of(handle), result, until);
}

// A kernel thread that is not ours, joined by a fiber: libc would block the carrier.
int join_stranger(pthread_t handle, void** result, deadline until) {
  constexpr int64_t slice = 5'000'000;
  if (pthread_equal(handle, pthread_self()) != 0) return EDEADLK;
  for (;;) {
    int error = real().pthread_tryjoin_np(handle, result);
    if (error != EBUSY) return error;
    if (now() >= until) return ETIMEDOUT;
    runtime_scope scope;
    cancellation_point();
    deadline next = after(slice);
    lot::outcome outcome = lot::park({.address = &error, .what = wait_for::join,
                                      .until = next < until ? next : until,
                                      .interruptible = wait_class::cancellable});
    if (outcome == lot::outcome::interrupted) handle_interruption(true);
  }
}

bool valid(const timespec* t) { return t->tv_nsec >= 0 && t->tv_nsec < 1'000'000'000; }

}  // namespace

EXPORT int pthread_create(pthread_t* handle, const pthread_attr_t* attributes,
                          void* (*start)(void*), void* argument) noexcept {
  // Inside the runtime, and on kernel threads that are not ours, a thread is a kernel thread.
  if (get_settings().native_threads || self_state.in_runtime != 0)
    return real().pthread_create(handle, attributes, start, argument);
  if (dormant()) {
    int error = wake_runtime();
    if (error != 0) {
      say("cannot start the workers: %s", strerrordesc_np(error));
      return EAGAIN;
    }
  }
  if (!on_fiber()) return real().pthread_create(handle, attributes, start, argument);
  runtime_scope scope;
  // Who makes many should see the first of them run, as natively.
  constexpr uint32_t cost_of_a_thread = 8;
  scheduler::give_way(cost_of_a_thread);
  thread::options o;
  o.signal_mask = thread::self()->thread.signal_mask.load(std::memory_order_relaxed);
  read_attributes(attributes, o);
  return thread::create(handle, o, start, argument);
}

EXPORT int pthread_join(pthread_t handle, void** result) {
  if (!on_fiber()) return real().pthread_join(handle, result);
  if (thread::of(handle) == nullptr) return join_stranger(handle, result, never);
  return join(handle, result, never);
}

EXPORT int pthread_tryjoin_np(pthread_t handle, void** result) noexcept {
  if (!on_fiber() || thread::of(handle) == nullptr)
    return real().pthread_tryjoin_np(handle, result);
  runtime_scope scope;
  return thread::join(*thread::of(handle), result, at_once);
}

EXPORT int pthread_timedjoin_np(pthread_t handle, void** result, const timespec* until) {
  return pthread_clockjoin_np(handle, result, CLOCK_REALTIME, until);
}

EXPORT int pthread_clockjoin_np(pthread_t handle, void** result, clockid_t clock,
                                const timespec* until) {
  if (!on_fiber()) return real().pthread_clockjoin_np(handle, result, clock, until);
  if (until == nullptr) return pthread_join(handle, result);
  if (!valid(until) || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)) return EINVAL;
  deadline at = deadline_at(clock, *until);
  if (thread::of(handle) == nullptr) return join_stranger(handle, result, at);
  return join(handle, result, at == at_once ? 1 : at);
}

EXPORT int pthread_detach(pthread_t handle) noexcept {
  if (!on_fiber() || thread::of(handle) == nullptr) return real().pthread_detach(handle);
  runtime_scope scope;
  return thread::detach(*thread::of(handle));
}

EXPORT void pthread_exit(void* result) {
  if (on_full_fiber()) thread::exit(result);
  real().pthread_exit(result);
  __builtin_unreachable();
}
