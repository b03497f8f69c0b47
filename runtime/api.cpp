// The C interface: which kind of fiber is meant, and what an argument may be.
#include "vervet/abi.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "runtime/check.h"
#include "runtime/handle.h"
#include "runtime/hub_handle.h"
#include "runtime/interrupt.h"
#include "runtime/kernel_threads.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/scope.h"
#include "runtime/scheduler.h"
#include "runtime/signal.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

extern "C" int __cxa_thread_atexit_impl(void (*function)(void*), void* argument, void* library);
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace vervet {
namespace {

using handle::run_set;

constexpr size_t full_stack_size = 256 * 1024;

std::atomic<uint32_t> run_flows{0};
std::atomic<bool> running{false};

bool inside_run() {
  fiber* current = self_state.current;
  return current != nullptr && current->kind == fiber_kind::full && current->handle != nullptr;
}

// Runs after the destructors of the fiber's thread_local objects, also when pthread_exit() ends it.
void full_ended(void* argument) {
  runtime_scope scope;
  self_state.host->handle = nullptr;
  handle::finish(*static_cast<vervet_fiber*>(argument), handle_state::ended, run_set, nullptr);
  if (run_flows.fetch_sub(1, std::memory_order_acq_rel) == 1) lot::unpark(&run_flows, ~0u);
}

void* full_entry(void* argument) {
  auto& record = *static_cast<vervet_fiber*>(argument);
  fiber& self = *self_state.host;
  self.handle = &record;
  // It shows its block, then looks whether it was killed; who kills does it the other way round.
  record.block.store(&self, std::memory_order_seq_cst);
  if ((record.marks.load(std::memory_order_seq_cst) & record.killed_early) != 0 &&
      record::take_early_kill(record))
    scope::cancel(self.root);
  memcpy(self.thread.name, record.name, sizeof record.name);
  // The first one registered is the last one to run.
  __cxa_thread_atexit_impl(full_ended, &record, &__dso_handle);
  handle::run(self);
  return nullptr;
}

// What a thread inherits from its creator.
uint64_t signal_mask_here() {
  if (fiber* creator = thread::self())
    return creator->thread.signal_mask.load(std::memory_order_relaxed);
  uint64_t mask = 0;
  sys::call(SYS_rt_sigprocmask, SIG_BLOCK, 0, sys::word(&mask), sizeof mask);
  return mask;
}

int start_full(vervet_fiber& record, const spawn_call& call, size_t stack_size, unsigned worker) {
  if (stack_size == 0) stack_size = full_stack_size;
  if (stack_size < light_hub::least_stack_size) return EINVAL;
  run_set.add_flow();
  run_flows.fetch_add(1, std::memory_order_relaxed);
  pthread_t unused;
  int error =
      thread::create(&unused, {.stack_size = stack_size,
                      .detached = true,
                      .signal_mask = signal_mask_here(),
                      .worker = worker,
                      .call = call}, full_entry, &record);
  if (error == 0) return 0;
  run_flows.fetch_sub(1, std::memory_order_relaxed);
  run_set.remove_flow();
  return error;
}

template <typename Options>
bool known(const Options* options) {
  return options == nullptr || options->size == sizeof(Options);
}

unsigned default_workers() {
  unsigned cpus = usable_cpus();
  return cpus < scheduler::max_workers ? cpus : scheduler::max_workers;
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

// What the last fibers still do after full_ended(), key destructors for one, may need a carrier.
void wait_for_last_ends() {
  constexpr int64_t moment = 50'000;
  while (thread::alive_count() != 0) vervet_sleep_for(moment);
}

int run(unsigned workers, void* (*function)(void*), void* argument, void** result) {
  signals_blocked_at_start(signal_mask_here());
  int error = scheduler::start({.workers = workers});
  if (error != 0) return error;
  vervet_fiber* main = record::make(nullptr, nullptr, 2);
  if (main == nullptr) error = EAGAIN;
  if (main != nullptr) {
    runtime_scope scope;
    main->marks.store(main->is_main, std::memory_order_relaxed);
    run_set.main_begins();
    set_of_run.store(&run_set, std::memory_order_release);
    error = start_full(*main, {function, argument, 0, nullptr}, 0, 0);
    if (error != 0) record::release(nullptr, *main);
  }
  if (error == 0) {
    wait_for_run();
    if (result != nullptr) *result = main->result;
  }
  if (main != nullptr) record::release(nullptr, *main);
  set_of_run.store(nullptr, std::memory_order_release);
  wait_for_last_ends();
  scheduler::stop();
  return error;
}

}  // namespace
}  // namespace vervet

using namespace vervet;

namespace {

[[gnu::noinline]] int spawn_with(vervet_fiber** fiber, const vervet_spawn_options* options,
                                 void* (*entry)(void*), void* argument) {
  if (!known(options)) return EINVAL;
  vervet_spawn_options none{};
  if (options == nullptr) options = &none;
  if (options->kind > VERVET_FULL) return EINVAL;
  bool full = options->kind == VERVET_FULL || (options->kind == VERVET_DEFAULT && inside_run());
  if (full && (options->hub != nullptr || !inside_run())) return EINVAL;
  if (options->worker > (full ? scheduler::worker_count() : 0)) return EINVAL;
  vervet_hub* elsewhere = options->hub;
  light_hub* hub = full || elsewhere != nullptr ? nullptr : light_hub::here();
  if (!full && elsewhere == nullptr && hub == nullptr) return EAGAIN;

  runtime_scope scope;
  record::cache* own = hub != nullptr ? &hub->records : nullptr;
  vervet_fiber* made = record::make(own, options->name, fiber != nullptr ? 2 : 1);
  if (made == nullptr) return EAGAIN;
  spawn_call call{entry, argument, options->start, options->discard};
  int error;
  if (hub != nullptr)
    error = hub->spawn(*made, call, options->stack_size);
  else if (full)
    error = start_full(*made, call, options->stack_size, options->worker);
  else
    error = hub_handle::spawn(*elsewhere, *made, call, options->stack_size);
  return record::settle(*made, fiber, error);
}

}  // namespace

int vervet_spawn(vervet_fiber** fiber, const vervet_spawn_options* options, void* (*entry)(void*),
                 void* argument) {
  light_hub* hub = self_state.hub;
  if (options == nullptr && hub != nullptr && !inside_run()) [[likely]]
    return hub->spawn(fiber, entry, argument);
  return spawn_with(fiber, options, entry, argument);
}

int vervet_run(const vervet_run_options* options, void* (*function)(void*), void* argument,
               void** result) {
  if (!known(options)) return EINVAL;
  unsigned workers = options != nullptr ? options->workers : 0;
  if (workers > scheduler::max_workers) return EINVAL;
  if (wake_process != nullptr || scheduler::running()) return EBUSY;
  if (running.exchange(true, std::memory_order_acquire)) return EBUSY;
  int error = run(workers == 0 ? default_workers() : workers, function, argument, result);
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

int vervet_kill(vervet_fiber* fiber) {
  runtime_scope scope;
  return handle::kill(*fiber) ? 0 : ESRCH;
}

vervet_fiber* vervet_current() {
  fiber* current = self_state.current;
  return current != nullptr ? current->handle : nullptr;
}

void vervet_retain(vervet_fiber* fiber) {
  record::retain(*fiber);
}

const char* vervet_name(const vervet_fiber* fiber) { return fiber->name; }

uint64_t vervet_number(const vervet_fiber* fiber) { return fiber->number; }
