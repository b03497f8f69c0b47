#include "timer_heap.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void timer_push(struct timer_heap* heap, struct timer timer) {
  if (heap->size == heap->capacity) {
    heap->capacity = heap->capacity == 0 ? 64 : heap->capacity * 2;
    heap->entries = realloc(heap->entries, heap->capacity * sizeof *heap->entries);
    if (heap->entries == NULL) {
      perror("timers");
      exit(1);
    }
  }
  size_t at = heap->size++;
  while (at > 0 && heap->entries[(at - 1) / 4].when > timer.when) {
    heap->entries[at] = heap->entries[(at - 1) / 4];
    at = (at - 1) / 4;
  }
  heap->entries[at] = timer;
}

struct timer timer_pop(struct timer_heap* heap) {
  struct timer first = heap->entries[0], last = heap->entries[--heap->size];
  size_t at = 0;
  for (;;) {
    size_t child = 4 * at + 1, end = child + 4 < heap->size ? child + 4 : heap->size;
    if (child >= end) break;
    size_t least = child;
    while (++child < end)
      if (heap->entries[child].when < heap->entries[least].when) least = child;
    if (heap->entries[least].when >= last.when) break;
    heap->entries[at] = heap->entries[least];
    at = least;
  }
  heap->entries[at] = last;
  return first;
}

int64_t timer_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
