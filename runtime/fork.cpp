#include "runtime/fork.h"

#include <sys/prctl.h>

#include "runtime/descriptor.h"
#include "runtime/fiber_store.h"
#include "runtime/hub.h"
#include "runtime/identity.h"
#include "runtime/kernel_threads.h"
#include "runtime/offload.h"
#include "runtime/parking_lot.h"
#include "runtime/scheduler.h"
#include "runtime/scope.h"
#include "runtime/signal.h"
#include "runtime/stack.h"
#include "runtime/thread_internal.h"
#include "runtime/thread_state.h"

namespace vervet {

void fork_prepare() {
  if (!scheduler::running()) return;
  runtime_scope::enter();
  signals_before_fork();
}

void fork_parent() {
  if (!scheduler::running()) return;
  // A child that asked to die with its parent means the kernel thread that forked.
  if (fiber* parent = self_state.host) parent->on->stays = true;
  descriptors_forked();
  signals_after_fork();
  runtime_scope::leave();
}

void fork_child() {
  if (!scheduler::running()) return;
  fiber* survivor = self_state.host;
  stack_forget_all();
  hub::forget_all();
  scheduler::forget_all();
  lot::forget_all();
  fiber_store::forget_all();
  thread::forget_all();
  descriptors_forget();
  offload_forget();
  forget_kernel_threads();
  identity::forget_all(survivor == nullptr ? nullptr : survivor->on->home.identity);
  if (survivor != nullptr) sys::call(SYS_prctl, PR_SET_NAME, sys::word(survivor->thread.name));
  self_state.own = own_state();
  self_state.current = self_state.host = nullptr;
  self_state.in_runtime = 0;
  // Last: from here on the program's handlers run as if we had never been.
  signals_dormant(survivor);
}

}  // namespace vervet
