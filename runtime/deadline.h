// Points in time: absolute nanoseconds on CLOCK_MONOTONIC, so that a retry loop cannot stretch them.
#pragma once

#include <stdint.h>
#include <time.h>

namespace vervet {

using deadline = int64_t;

inline constexpr deadline never = INT64_MAX;
inline constexpr deadline at_once = 0;

inline int64_t clock_nanoseconds(clockid_t clock) {
  timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

inline deadline now() { return clock_nanoseconds(CLOCK_MONOTONIC); }

// `nanoseconds` from now, saturating at `never`.
inline deadline after(int64_t nanoseconds) {
  deadline start = now();
  return nanoseconds >= never - start ? never : start + nanoseconds;
}

// Saturating nanoseconds of a timespec that holds a valid, non-negative duration or point.
inline int64_t nanoseconds_of(const timespec& t) {
  if (t.tv_sec >= never / 1'000'000'000LL) return never;
  return t.tv_sec * 1'000'000'000LL + t.tv_nsec;
}

inline timespec timespec_of(int64_t nanoseconds) {
  return {nanoseconds / 1'000'000'000LL, nanoseconds % 1'000'000'000LL};
}

// The monotonic deadline at which `clock` will show `t`, as of now.
inline deadline deadline_at(clockid_t clock, const timespec& t) {
  if (clock == CLOCK_MONOTONIC) return nanoseconds_of(t);
  int64_t left = nanoseconds_of(t) - clock_nanoseconds(clock);
  return left <= 0 ? at_once : after(left);
}

}  // namespace vervet
