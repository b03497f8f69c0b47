// A histogram of durations with a relative error below 1 %: each power of two has 64 buckets.
#pragma once

#include <stdint.h>

enum { histogram_buckets = 64 * 59 };

struct histogram {
  uint64_t count[histogram_buckets];
  uint64_t total;
};

void histogram_add(struct histogram* to, uint64_t value);

// The value that `share` (0 to 1) of all values do not exceed; 0 if there are none.
double histogram_quantile(const struct histogram* of, double share);
