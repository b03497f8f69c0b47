// A heap of points in time, four children to a node, for servers that keep their timers themselves.
#ifndef BENCH_TIMER_HEAP_H
#define BENCH_TIMER_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct timer {
  int64_t when;  // nanoseconds of CLOCK_MONOTONIC
  void* what;
};

struct timer_heap {
  struct timer* entries;
  size_t size, capacity;
};

// Ends the program if memory is short.
void timer_push(struct timer_heap* heap, struct timer timer);

// Removes the earliest. REQUIRES: there is one.
struct timer timer_pop(struct timer_heap* heap);

int64_t timer_now(void);

#endif
