// count_flows WORK N: does the work N times, and nothing else that depends on N. What Valgrind counts for a
// larger N, less what it counts for a smaller one, is the work's.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vervet/vervet.h>

static long each;

static void* yields(void* argument) {
  for (long i = 0; i < each; ++i) vervet_yield();
  return argument;
}

static void* sleeps(void* argument) {
  for (long i = 0; i < each; ++i) vervet_sleep_for(1);
  return argument;
}

static void* nothing(void* argument) { return argument; }

static int run_two(void* (*entry)(void*), long n) {
  vervet_fiber* fibers[2];
  each = n / 2;
  for (int i = 0; i < 2; ++i)
    if (vervet_spawn(&fibers[i], NULL, entry, NULL) != 0) return 1;
  for (int i = 0; i < 2; ++i) {
    if (vervet_join(fibers[i], NULL, VERVET_NEVER) != 0) return 1;
    vervet_release(fibers[i]);
  }
  return 0;
}

static int spawn_and_join(long n) {
  for (long i = 0; i < n; ++i) {
    vervet_fiber* fiber;
    void* result = NULL;
    if (vervet_spawn(&fiber, NULL, nothing, &fiber) != 0) return 1;
    if (vervet_join(fiber, &result, VERVET_NEVER) != 0 || result != &fiber) return 1;
    vervet_release(fiber);
  }
  return 0;
}

static void* inside_run(void* work) {
  return run_two(work, each) == 0 ? work : NULL;
}

// As full fibers, on one worker.
static int run_two_full(void* (*entry)(void*), long n) {
  vervet_run_options options = {.size = sizeof options, .workers = 1};
  void* result = NULL;
  each = n;
  if (vervet_run(&options, inside_run, entry, &result) != 0) return 1;
  return result == NULL;
}

int main(int count, char** words) {
  long n = count == 3 ? atol(words[2]) : 0;
  if (n > 0 && strcmp(words[1], "yield") == 0) return run_two(yields, n);
  if (n > 0 && strcmp(words[1], "yield_full") == 0) return run_two_full(yields, n);
  if (n > 0 && strcmp(words[1], "sleep") == 0) return run_two(sleeps, n);
  if (n > 0 && strcmp(words[1], "spawn") == 0) return spawn_and_join(n);
  fprintf(stderr, "usage: count_flows yield|yield_full|sleep|spawn N\n");
  return 2;
}
