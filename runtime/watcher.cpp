#include "runtime/watcher.h"

#include <errno.h>
#include <new>
#include <sys/epoll.h>

#include "runtime/handle.h"
#include "runtime/light_hub.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

// What the callback is told: what is known to be possible of what was asked for.
unsigned events_of(watcher& w) {
  if (w.outer->fd < 0) return 0;
  if (parker::reason_of(w.word.load(std::memory_order_acquire)) == wake_reason::timed_out) return 0;
  const descriptor* d = descriptor_of(w.outer->fd);
  uint32_t ready = d != nullptr ? d->ready.load(std::memory_order_relaxed) : 0;
  unsigned possible = 0;
  if ((ready & (descriptor::readable | descriptor::irregular)) != 0) possible |= VERVET_READABLE;
  if ((ready & (descriptor::writable | descriptor::irregular)) != 0) possible |= VERVET_WRITABLE;
  possible &= w.outer->events;
  return possible != 0 ? possible : w.outer->events;
}

// Leaves whatever may still wake it. REQUIRES: on its hub's thread.
void finish(watcher& w) {
  if (!w.started) return;
  w.started = false;
  unwatch(w.descriptor_wait);
  w.hub->cancel_timer(w);
  w.hub->flows.remove_flow();
  if (w.outer->fd >= 0) w.hub->end_watching();
  w.hub->unpin();
}

}  // namespace

void light_hub::fire(watcher& w) {
  inbox_lock_.acquire();
  fired_.push_back(&w);
  inbox_filled_.store(1, std::memory_order_relaxed);
  if (self_state.hub == this) return inbox_lock_.release();
  wake_host();
}

void light_hub::unfire(watcher& w) {
  lock_guard guard(inbox_lock_);
  if (w.linked()) list<watcher>::remove(&w);
}

// One fiber calls back one after the other. One that waits keeps its fiber; the others get a new one.
void light_hub::call_back_soon() {
  if (callback_queued_) return;
  vervet_fiber* made = record::make(&records, "callbacks", 1);
  if (made != nullptr && spawn(*made, {call_back, this, 0, nullptr}, 0) == 0) {
    callback_queued_ = true;
    return;
  }
  // No memory: tried again at the next round.
  if (made != nullptr) record::release(&records, *made);
  inbox_filled_.store(1, std::memory_order_relaxed);
}

void* light_hub::call_back(void* argument) {
  auto& hub = *static_cast<light_hub*>(argument);
  hub.callback_queued_ = false;
  for (;;) {
    runtime_scope::enter();
    watcher* w = hub.due_.pop_front();
    // Should this callback wait, another fiber sees to the rest.
    if (!hub.due_.empty()) hub.inbox_filled_.store(1, std::memory_order_relaxed);
    unsigned events = 0;
    vervet_watcher* outer = nullptr;
    if (w != nullptr) {
      outer = w->outer;
      events = w->started ? events_of(*w) : 0;
      finish(*w);
    }
    runtime_scope::leave();
    if (outer == nullptr) return nullptr;
    outer->callback(outer, events);
  }
}

void light_hub::pin() {
  own_flow_is_one_of_many();
  ++pins_;
}

void light_hub::unpin() {
  --pins_;
  if (!alone()) return;
  if (self_state.current == &main_flow_)
    own_flow_is_alone();
  else
    own_flow_left_alone();
}

int start_watcher(vervet_watcher& outer, bool known) {
  light_hub* hub = light_hub::here();
  if (hub == nullptr || !descriptors_start()) return EAGAIN;
  runtime_scope scope;
  watcher& w = *new (outer.ours) watcher;
  w.kind_of_sleeper = sleeper_kind::watcher;
  w.hub = hub;
  w.outer = &outer;
  uint64_t epoch = w.arm(wait_class::uninterruptible);
  w.started = true;
  hub->flows.add_flow();
  hub->pin();
  if (outer.fd >= 0) hub->begin_watching();
  uint32_t events = 0;
  if ((outer.events & VERVET_READABLE) != 0) events |= EPOLLIN;
  if ((outer.events & VERVET_WRITABLE) != 0) events |= EPOLLOUT;
  if (outer.deadline != never) hub->arm_timer(w, epoch, outer.deadline);
  int error = 0;
  if (outer.fd >= 0)
    error = (known ? watch_known : watch_anew)(w.descriptor_wait, w, epoch, outer.fd, events);
  if (error != 0) {
    finish(w);
    hub->unfire(w);
  }
  return error;
}

}  // namespace vervet

using namespace vervet;

int vervet_watcher_start(vervet_watcher* outer) { return start_watcher(*outer, false); }

void vervet_watcher_stop(vervet_watcher* outer) {
  runtime_scope scope;
  watcher& w = inside(*outer);
  if (w.hub == nullptr) return;
  finish(w);
  w.hub->unfire(w);
}

