// The hub's beginning and end: with its host, and across fork.
#include <errno.h>
#include <new>
#include <pthread.h>
#include <sys/mman.h>

#include "runtime/descriptor.h"
#include "runtime/fork.h"
#include "runtime/handle.h"
#include "runtime/hub_handle.h"
#include "runtime/light_hub.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/signal_internal.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

// libc's registry of a thread's destructors: they run when the host ends, be it an OS thread or a
// full fiber, whose end runs them too.
extern "C" int __cxa_thread_atexit_impl(void (*function)(void*), void* argument, void* library);
extern "C" __attribute__((visibility("hidden"))) void* __dso_handle;

namespace vervet {

int (*wake_process)();

namespace {

lock hubs_lock;
light_hub* free_hubs;
std::atomic<bool> fork_watched{false};
std::atomic<uint32_t> hubs_made{0};

// The preload library's fork holds the locks of what is shared with it.
bool plain_library() { return wake_process == nullptr; }

void before_fork() {
  if (plain_library()) lot::acquire_all();
  record::acquire_all();
  hub_handle::acquire_all();
  hubs_lock.acquire();
  if (plain_library()) stack_lock.acquire();
}

void after_fork_in_parent() {
  // The child has them, too: the poller is told when they are closed here.
  if (plain_library()) descriptors_forked();
  if (plain_library()) stack_lock.release();
  hubs_lock.release();
  hub_handle::release_all();
  record::release_all();
  if (plain_library()) lot::release_all();
}

}  // namespace

void light_fork_child() {
  light_hub::forget_here();
  watchdog::forget();
  record::forget_all();
  hub_handle::forget_all();
  hubs_lock.reset();
  if (!plain_library()) return;
  stack_forget_all();
  lot::forget_all();
  descriptors_forget();
  fibers_exist.store(false, std::memory_order_release);
}

namespace {

void watch_fork() {
  if (fork_watched.exchange(true, std::memory_order_relaxed)) return;
  pthread_atfork(before_fork, after_fork_in_parent, light_fork_child);
}

constexpr size_t alternate_stack_size = 32 * 1024;

}  // namespace

light_hub::light_hub() {
  main_flow_.kind_of_sleeper = sleeper_kind::fiber;
  main_flow_.kind = fiber_kind::light;
  main_flow_.hub = this;
  main_flow_.life.store(fiber_life::alive, std::memory_order_relaxed);
  flows.add_flow();  // the host's own
  // What is fetched ahead for it costs nothing.
  round_end_.flow.saved = &round_end_;
}

light_hub* light_hub::make() {
  runtime_scope scope;
  {
    lock_guard guard(hubs_lock);
    light_hub* hub = free_hubs;
    if (hub != nullptr) {
      free_hubs = hub->next_free_;
      return hub;
    }
  }
  void* memory =
      sys::map(nullptr, sizeof(light_hub), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
  return memory == nullptr ? nullptr : new (memory) light_hub;
}

light_hub* light_hub::here() {
  if (self_state.hub != nullptr) [[likely]]
    return self_state.hub;
  if (wake_process != nullptr && !scheduler::running() && wake_process() != 0) return nullptr;
  light_hub* hub = make();
  if (hub == nullptr) return nullptr;
  // Outside of the runtime's scope: both may allocate with the program's malloc.
  watch_fork();
  __cxa_thread_atexit_impl(host_ends, hub, &__dso_handle);
  hub->host_ = self_state.host;
  hub->number_ = hubs_made.fetch_add(1, std::memory_order_relaxed) + 1;
  if (hub->host_ == nullptr) hub->watch_overflows();
  hub->errno_ = &errno;
  {
    runtime_scope scope;
    hub->records.join_counts();
  }
  self_state.hub = hub;
  fibers_exist.store(true, std::memory_order_release);
  watchdog::hub_starts(*hub);
  return hub;
}

// An overflow is told of on another stack. A program that has set one keeps it, and carriers have
// one.
void light_hub::watch_overflows() {
  signals::report_overflows_only();
  stack_t present{};
  if (sys::call(SYS_sigaltstack, 0, sys::word(&present)) != 0 || present.ss_flags != SS_DISABLE)
    return;
  if (alternate_stack_ == nullptr)
    alternate_stack_ = sys::map(nullptr, alternate_stack_size, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
  if (alternate_stack_ == nullptr) return;
  stack_t ours{alternate_stack_, 0, alternate_stack_size};
  sys::call(SYS_sigaltstack, sys::word(&ours), 0);
}

void light_hub::unwatch_overflows() {
  stack_t present{};
  sys::call(SYS_sigaltstack, 0, sys::word(&present));
  stack_t none{nullptr, SS_DISABLE, 0};
  if (alternate_stack_ != nullptr && present.ss_sp == alternate_stack_)
    sys::call(SYS_sigaltstack, sys::word(&none), 0);
}

void light_hub::host_ends(void* argument) {
  auto* hub = static_cast<light_hub*>(argument);
  runtime_scope scope;
  // A forked child has forgotten it. And exit() called by a light fiber leaves everything in place.
  if (self_state.hub != hub) return;
  fiber* current = self_state.current;
  if (current != hub->host_ && current != &hub->main_flow_) return;
  if (current == &hub->main_flow_) hub->own_flow_is_alone();
  self_state.hub = nullptr;
  hub->unwatch_overflows();
  if (hub->handle_ != nullptr) hub_handle::hub_ends(*hub->handle_);
  hub->handle_ = nullptr;
  hub->close_poller();
  watchdog::hub_ends(*hub);
  // A watcher that is on is linked in the hub as well.
  bool watched = !hub->timers_.empty() || hub->watching_ != 0;
  if (hub->alive_ == 0 && !watched && hub->inbox_filled_.load(std::memory_order_relaxed) == 0)
    hub->retire();
  else
    hub->abandon();
}

void light_hub::retire() {
  give_back();
  exception_states_known_ = 0;
  ready_.reset();
  pins_ = 0;
  own_flow_alone_ = true;
  watching_ = 0;
  host_ = nullptr;
  lock_guard guard(hubs_lock);
  next_free_ = free_hubs;
  free_hubs = this;
}

// The fibers' frames may be linked anywhere: their stacks stay, and so does the hub they name.
void light_hub::abandon() {
  // Those that another thread has spawned last never begin.
  {
    lock_guard guard(inbox_lock_);
    while (fiber* f = inbox_.pop()) {
      if (f->life.load(std::memory_order_relaxed) != fiber_life::fresh) continue;
      fibers_.push_back(f);
      flows.add_flow_here();
    }
  }
  while (fiber_alive* f = fibers_.pop_front())
    handle::finish(*static_cast<fiber*>(f)->handle, handle_state::abandoned, flows, &records);
  give_back();
}

void light_hub::forget_here() {
  // Its poller is the parent's as well: only the numbers are given up.
  if (self_state.hub != nullptr) self_state.hub->poller_.close();
  self_state.hub = nullptr;
  fiber* current = self_state.current;
  if (current == nullptr || current->kind != fiber_kind::light) return;
  self_state.current = nullptr;
  self_state.own = current->own;
}

}  // namespace vervet
