// Start and end of a preloaded process.
#pragma once

namespace vervet::interpose {

// Makes the calling thread, which is the process's only one, the main fiber, and starts the workers.
// Returns 0 or an error number. Called at the first thread's creation.
int wake_runtime();

// The --stats lines, to stderr.
void print_statistics();

}  // namespace vervet::interpose
