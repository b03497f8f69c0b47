// The C interface: which kind of fiber is meant, and what an argument may be.
#include "vervet/vervet.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "runtime/check.h"
#include "runtime/handle.h"
#include "runtime/interrupt.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

extern "C" int __cxa_thread_atexit_impl(void (*function)(void*), void* argument, void* library);
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace vervet {
namespace {

constexpr size_t full_stack_size = 256 * 1024;

// All fibers of the vervet_run() that is going on, if one is.
join_scope run_scope;
std::atomic<uint32_t> run_flows{0};
std::atomic<bool> running{false};

bool inside_run() {
  fiber* current = self_state.current;
  return current != nullptr && current->handle != nullptr && current->handle->scope == &run_scope;
}

// Runs after the destructors of the fiber's thread_local objects, also when pthread_exit() ends it.
void full_ended(void* argument) {
  runtime_scope scope;
  self_state.host->handle = nullptr;
  handle::finish(*static_cast<vervet_fiber*>(argument), handle_state::ended);
  if (run_flows.fetch_sub(1, std::memory_order_acq_rel) == 1) lot::unpark(&run_flows, ~0u);
}

void* full_entry(void* argument) {
  auto& record = *static_cast<vervet_fiber*>(argument);
  fiber& self = *self_state.host;
  self.handle = &record;
  memcpy(self.thread.name, record.name, sizeof record.name);
  // The first one registered is the last one to run.
  __cxa_thread_atexit_impl(full_ended, &record, &__dso_handle);
  record.result = record.entry(record.argument);
  return nullptr;
}

int start_full(vervet_fiber& record, size_t stack_size) {
  if (stack_size == 0) stack_size = full_stack_size;
  if (stack_size < light_hub::least_stack_size) return EINVAL;
  run_scope.add_flow();
  run_flows.fetch_add(1, std::memory_order_relaxed);
  pthread_t unused;
  int error =
      thread::create(&unused, {.stack_size = stack_size, .detached = true}, full_entry, &record);
  if (error == 0) return 0;
  run_flows.fetch_sub(1, std::memory_order_relaxed);
  run_scope.remove_flow();
  return error;
}

template <typename Options>
bool known(const Options* options) {
  return options == nullptr || options->size == sizeof(Options);
}

unsigned usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  unsigned count = static_cast<unsigned>(CPU_COUNT(&set));
  return count < scheduler::max_workers ? count : scheduler::max_workers;
}

// Waits for all fibers of the run, whichever flow calls.
void wait_for_run() {
  runtime_scope scope;
  auto any_left = [] { return run_flows.load(std::memory_order_acquire) != 0; };
  while (any_left()) {
    auto outcome = lot::park({.address = &run_flows, .what = wait_for::join, .validate = any_left});
    if (outcome == lot::outcome::interrupted) handle_interruption(false);
  }
}

void sleep(deadline until) {
  runtime_scope scope;
  for (;;) {
    parker& self = self_parker();
    self.arm(wait_class::signals);
    wake_reason reason = park(self, wait_for::sleep, until);
    if (reason == wake_reason::timed_out) return;
    if (reason == wake_reason::interrupted) handle_interruption(false);
  }
}

// What the last fibers still do after full_ended(), key destructors for one, may need a carrier.
void wait_for_last_ends() {
  constexpr int64_t moment = 50'000;
  while (thread::alive_count() != 0) sleep(after(moment));
}

int run(unsigned workers, void* (*function)(void*), void* argument, void** result) {
  int error = scheduler::start({.workers = workers});
  if (error != 0) return error;
  vervet_fiber* main = handle::make(run_scope, function, argument, nullptr, 2);
  if (main == nullptr) error = EAGAIN;
  if (main != nullptr) {
    runtime_scope scope;
    main->is_main = true;
    run_scope.main_ended = false;
    error = start_full(*main, 0);
    if (error != 0) handle::release(*main);
  }
  if (error == 0) {
    wait_for_run();
    if (result != nullptr) *result = main->result;
  }
  if (main != nullptr) handle::release(*main);
  wait_for_last_ends();
  scheduler::stop();
  return error;
}

}  // namespace
}  // namespace vervet

using namespace vervet;

int vervet_spawn(vervet_fiber** fiber, const vervet_spawn_options* options, void* (*entry)(void*),
                 void* argument) {
  if (!known(options)) return EINVAL;
  size_t stack_size = options != nullptr ? options->stack_size : 0;
  const char* name = options != nullptr ? options->name : nullptr;
  bool full = inside_run();
  light_hub* hub = full ? nullptr : light_hub::here();
  if (!full && hub == nullptr) return EAGAIN;

  runtime_scope scope;
  vervet_fiber* record =
      handle::make(full ? run_scope : hub->scope, entry, argument, name, fiber != nullptr ? 2 : 1);
  if (record == nullptr) return EAGAIN;
  int error = full ? start_full(*record, stack_size) : hub->spawn(*record, stack_size);
  if (error != 0) {
    if (fiber != nullptr) handle::release(*record);
    handle::release(*record);
    return error;
  }
  if (fiber != nullptr) *fiber = record;
  return 0;
}

int vervet_join(vervet_fiber* fiber, void** result, int64_t deadline) {
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
  return fiber->state.load(std::memory_order_acquire) == handle_state::ended;
}

void vervet_release(vervet_fiber* fiber) {
  if (fiber == nullptr) return;
  runtime_scope scope;
  handle::release(*fiber);
}

void vervet_yield() {
  fiber* current = self_state.current;
  if (current == nullptr) return;
  runtime_scope scope;
  if (current->kind == fiber_kind::light)
    current->hub->yield(*current);
  else
    scheduler::yield();
}

void vervet_sleep_for(int64_t nanoseconds) {
  if (nanoseconds <= 0) return vervet_yield();
  sleep(after(nanoseconds));
}

void vervet_sleep_until(int64_t deadline) {
  if (deadline <= now()) return vervet_yield();
  sleep(deadline);
}

int64_t vervet_after(int64_t nanoseconds) { return nanoseconds <= 0 ? now() : after(nanoseconds); }

int vervet_run(const vervet_run_options* options, void* (*function)(void*), void* argument,
               void** result) {
  if (!known(options)) return EINVAL;
  unsigned workers = options != nullptr ? options->workers : 0;
  if (workers > scheduler::max_workers) return EINVAL;
  if (wake_process != nullptr || scheduler::running()) return EBUSY;
  if (running.exchange(true, std::memory_order_acquire)) return EBUSY;
  int error = run(workers == 0 ? usable_cpus() : workers, function, argument, result);
  running.store(false, std::memory_order_release);
  return error;
}

void vervet_register_exception_globals(void* (*get)()) { register_exception_globals(get); }

void vervet_report_uncaught(const char* what) {
  fiber* current = self_state.current;
  vervet_fiber* own = current != nullptr ? current->handle : nullptr;
  if (own == nullptr) return say("uncaught exception: %s", what);
  bool named = own->name[0] != 0;
  say("fiber %lu%s%s%s ended with an uncaught exception: %s", own->number, named ? " (" : "",
      own->name, named ? ")" : "", what);
}
