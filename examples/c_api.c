/* The C interface: two producers, three workers and a queue; what blocks is offloaded. */
#define _POSIX_C_SOURCE 200809L

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <vervet/vervet.h>

enum { producers = 2, workers = 3, items_each = 5 };

static vervet_queue* jobs;
static vervet_mutex* mutex;
static int done, sum;

static void* produce(void* argument) {
  static int numbers[producers * items_each];
  int first = *(int*)argument, i;
  for (i = first; i < first + items_each; ++i) {
    numbers[i] = i;
    vervet_queue_put(jobs, &numbers[i], VERVET_NEVER);
  }
  return NULL;
}

/* Blocks its kernel thread. */
static void* slow_square(void* argument) {
  static int squares[producers * items_each];
  struct timespec moment = {0, 10 * 1000 * 1000};
  int n = *(int*)argument;
  nanosleep(&moment, NULL);
  squares[n] = n * n;
  return &squares[n];
}

static void* work(void* unused) {
  void *item, *square;
  (void)unused;
  while (vervet_queue_get(jobs, &item, VERVET_NEVER) == 0) {
    if (vervet_offload(slow_square, item, &square) != 0) continue;
    vervet_mutex_lock(mutex, VERVET_NEVER);
    ++done;
    sum += *(int*)square;
    vervet_mutex_unlock(mutex);
  }
  return NULL;
}

static vervet_fiber* spawn(void* (*entry)(void*), void* argument) {
  vervet_fiber* fiber = NULL;
  if (vervet_spawn(&fiber, NULL, entry, argument) != 0) exit(1);
  return fiber;
}

int main(void) {
  static int starts[producers] = {0, items_each};
  vervet_fiber* fibers[producers + workers];
  vervet_stats stats;
  int i;
  if (vervet_queue_make(&jobs, 4) != 0 || vervet_mutex_make(&mutex) != 0) return 1;
  for (i = 0; i < producers; ++i) fibers[i] = spawn(produce, &starts[i]);
  for (i = 0; i < workers; ++i) fibers[producers + i] = spawn(work, NULL);

  vervet_joinall(fibers, producers, VERVET_NEVER);
  vervet_queue_close(jobs);
  vervet_joinall(fibers, producers + workers, VERVET_NEVER);
  printf("%d jobs, the sum of their squares is %d\n", done, sum);

  stats.size = sizeof stats;
  vervet_get_stats(&stats);
  printf("%d fibers spawned, %d alive\n", (int)stats.fibers_spawned, (int)stats.fibers_alive);
  for (i = 0; i < producers + workers; ++i) vervet_release(fibers[i]);
  vervet_mutex_free(mutex);
  vervet_queue_free(jobs);
  return 0;
}
