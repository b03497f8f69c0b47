// Carriers whose workers have nothing to run. One of them sleeps in the poller, which covers the
// descriptors and the timers for all; the others sleep on their calls.
//
// No wake is lost: who goes to sleep is counted first and then looks for work once more; who queues a
// fiber looks at the count afterwards. No herd: one is called at a time (`waking`), and that one calls
// the next if it finds more than it takes. A call goes to one outside of the poller, if there is one,
// so that the poller stays covered.
#pragma once

#include <atomic>

#include "runtime/deadline.h"

namespace vervet {

struct carrier;

namespace idle {

extern std::atomic<unsigned> sleepers;
inline bool any() { return sleepers.load(std::memory_order_seq_cst) != 0; }

// The caller, a carrier that found nothing to run, sleeps until there may be something.
void sleep(carrier& c);

// What is queued on the worker of `c`, which owns it, will take so long that another worker should help.
// Should a fiber take longer than they usually do, the monitor sees to it.
bool worth_waking(const carrier& c);

// There is work that nobody awake may come to soon: calls a sleeper, unless one is under way.
void wake_one();

// After timers were armed: if no sleeper wakes in time for them, one must look again.
void cover_timers();

// A carrier sleeps in the poller, or is about to return from there.
bool poller_covered();

// A look into the poller by someone else has met the wake-up that was meant for its sleeper.
void pass_on_interrupt();

// Every sleeper looks around: for the end of the scheduler.
void wake_all();

// In a forked child.
void forget_all();

}  // namespace idle
}  // namespace vervet
