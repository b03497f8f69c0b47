#include "histogram.h"

#include <stddef.h>

// Below 64 each value has a bucket; from there on the highest seven bits choose one.
static size_t bucket_of(uint64_t value) {
  if (value < 64) return (size_t)value;
  unsigned shift = 57 - (unsigned)__builtin_clzll(value);
  return (size_t)(shift * 64 + (value >> shift));
}

static double middle_of(size_t bucket) {
  if (bucket < 128) return (double)bucket;
  unsigned shift = (unsigned)(bucket / 64 - 1);
  uint64_t lowest = (uint64_t)(bucket - shift * 64) << shift;
  return (double)lowest + (double)((uint64_t)1 << shift) / 2;
}

void histogram_add(struct histogram* to, uint64_t value) {
  ++to->count[bucket_of(value)];
  ++to->total;
}

double histogram_quantile(const struct histogram* of, double share) {
  double wanted = share * (double)of->total;
  uint64_t seen = 0;
  for (size_t i = 0; i < histogram_buckets; ++i) {
    seen += of->count[i];
    if (of->count[i] != 0 && (double)seen >= wanted) return middle_of(i);
  }
  return 0;
}
