// Shared by the files that implement scheduler.h.
#pragma once

#include "runtime/scheduler.h"

namespace vervet::scheduler {

extern worker workers[max_workers];
extern unsigned workers_running;
extern std::atomic<bool> stopping;

// REQUIRES: no carrier runs.
void forget_queues();

}  // namespace vervet::scheduler
