// The hub of the scheduler: its poller and its timers, shared by all workers.
//
// A descriptor is registered for life, so it must not depend on one worker that may be busy computing:
// idle carriers sleep here, busy ones look in every so many switches.
#pragma once

#include "runtime/deadline.h"
#include "runtime/fiber.h"
#include "runtime/poller.h"

namespace vervet::hub {

// Opens the poller. 0 or a negated error number.
int open();
void close();
poller& get_poller();
// Which poller that is: another one each time it is opened, and none of a light hub's numbers.
uint32_t number();

// Arms the fiber's timer for its wait `epoch`; cancels it (no effect if it fired or was never armed).
void arm_timer(fiber& f, uint64_t epoch, deadline until);
void cancel_timer(fiber& f);

// The earliest armed deadline.
deadline earliest();

// Ends the waits whose deadline has passed.
void fire_timers();

// Waits for events until `until` and wakes whom they concern. Returns whether it met an interrupt().
bool poll(deadline until);
// The same at once, by someone for whom no interrupt() is meant.
void look();

// In a forked child: closes the inherited poller, forgets timers.
void forget_all();

}  // namespace vervet::hub
