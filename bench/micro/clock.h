// Clocks, in nanoseconds.
#pragma once

#include <cstdint>
#include <ctime>

inline int64_t read_clock(clockid_t which) {
  timespec now;
  clock_gettime(which, &now);
  return now.tv_sec * 1'000'000'000 + now.tv_nsec;
}

// CPU time of all threads of this process.
inline int64_t cpu_time() { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }

inline int64_t monotonic_time() { return read_clock(CLOCK_MONOTONIC); }
