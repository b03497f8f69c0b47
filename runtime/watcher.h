// Watchers: what a hub calls back for, at an event of a descriptor, at a time, or because another
// thread has posted it. What lies in vervet_watcher::ours.
#pragma once

#include "runtime/descriptor.h"
#include "runtime/list.h"
#include "runtime/parker.h"
#include "runtime/timer_queue.h"
#include "vervet/abi.h"

namespace vervet {

class light_hub;

// A watcher waits like a fiber: its wait has an epoch that one waker ends. Nobody sleeps; its hub is
// told and has a fiber of its own call back.
struct watcher : parker, timer_node, list_hook {
  light_hub* hub = nullptr;
  vervet_watcher* outer = nullptr;
  fd_waiter descriptor_wait;
  bool started = false;
};

inline watcher& inside(vervet_watcher& outer) { return *reinterpret_cast<watcher*>(outer.ours); }

// vervet_watcher_start(); `known`: for one event of an adopted descriptor, which is trusted: EALREADY if that may be
// possible now.
int start_watcher(vervet_watcher& outer, bool known);

static_assert(sizeof(watcher) <= sizeof(vervet_watcher::ours));

}  // namespace vervet
