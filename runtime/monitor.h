// The monitor: one kernel thread that sees to it that no fiber waits for another one that computes, or
// blocks in something that was not intercepted.
//
// While somebody sleeps in the poller there is nothing for it to see to: that carrier takes what
// becomes ready. Otherwise it looks around a few times in a tick: it does what is due in the hub if the
// workers are all busy, and hands the worker of a carrier that has been in one fiber's code for a
// tick, or is found asleep in the kernel there, to another carrier if another fiber could run.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"

namespace vervet::monitor {

inline constexpr int64_t default_tick = 10'000'000;

// Starts it, looking every `tick` nanoseconds. Returns 0 or an error number.
int start(int64_t tick);
// Ends it and waits for that.
void stop();

// There is something for it to see to: nobody sleeps in the poller any more (by each carrier that leaves
// it), or a fiber is queued for which no idle worker was called.
void note_owed();

// For --stats: how many workers changed hands, and how many fibers were asked to make room.
VERVET_DOOR uint64_t hand_overs();
VERVET_DOOR uint64_t preemptions();

// In a forked child.
void forget();

}  // namespace vervet::monitor
