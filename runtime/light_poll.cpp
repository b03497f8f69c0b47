// The hub of light fibers: descriptors, in an OS thread's hub.
#include "runtime/descriptor.h"
#include "runtime/light_hub.h"

namespace vervet {

poller* light_hub::open_poller() {
  if (poller_.is_open()) return &poller_;
  if (!descriptors_start()) return nullptr;
  // Others look at it under the lock: whether to interrupt it.
  lock_guard guard(inbox_lock_);
  if (poller_.open() == 0) return &poller_;
  poller_.close();
  return nullptr;
}

void light_hub::close_poller() {
  lock_guard guard(inbox_lock_);
  poller_.close();
}

// Sleeps until `until` at most; events make flows runnable.
[[gnu::noinline]] void light_hub::look(deadline until) {
  turn_of_last_look_ = watched_.turn.load(std::memory_order_relaxed);
  poll_event events[poller::batch];
  int count = poller_.wait(events, until);
  if (until != at_once) asleep_.store(0, std::memory_order_relaxed);
  descriptor_events(events, count);
}

}  // namespace vervet
