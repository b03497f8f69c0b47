// CPUs and CPU time.
#pragma once

#include <stdint.h>

// Nanoseconds of CLOCK_MONOTONIC.
int64_t now_ns(void);

// Nanoseconds of CPU time that process `pid` has used, user and system, all its threads, ended ones
// as well; 0: this one. -1 if there is no such process.
int64_t cpu_time_ns(int pid);

// Binds this process to one CPU. 0, or -1.
int run_on_cpu(int cpu);
