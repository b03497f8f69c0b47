// pthread_once and what it owes to fork.
#pragma once

namespace vervet::interpose::sync {

// Runs `routine` unless it has run to its end already; waits while another thread runs it. If it
// ends in an exception, by pthread_exit or by cancellation, it counts as not having run.
void run_once(int* control, void (*routine)());

// In a forked child: a routine that another thread of the parent was running will never end here.
void once_forked_child();

}  // namespace vervet::interpose::sync
