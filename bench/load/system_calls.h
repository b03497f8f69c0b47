// Counts the system calls of a process, by perf(1): exactly those between two moments.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Attaches perf to all threads of `pid` and begins to count. False if that does not work here.
bool system_calls_begin(int pid);

// Ends it: how many there were, of all threads; -1 if perf cannot tell.
int64_t system_calls_end(void);
