// Whether a hundred threads keep their pace while one thread, the culprit, is stuck in something.
// Each has a deadline every 10 ms of a schedule of its own and sleeps from one to the next.
// Counted is every deadline that falls due while the culprit is stuck, but for its first 100 ms.
// One that was slept through counts with its full lateness, so that threads which stand still
// cannot do so in one single late sleep each.
//
// The machine itself may be late: a process with one thread keeps the same pace beside, and a round
// in which that one was late says nothing and is run again.
#ifndef PACE_H
#define PACE_H

#include "../check.h"

#include <limits.h>
#include <sys/mman.h>
#include <sys/wait.h>

enum {
  pace_sleepers = 100,
  pace_period_us = 10000,
  pace_grace_us = 100000,
  pace_limit_ms = 30,
  pace_control_limit_ms = 15,
  pace_rounds = 5,
  pace_histogram = 10000,
};

// Lateness in ms of the deadlines from `begin` to `end`.
struct pace_watch {
  long long begin, end;
  int stop;
  long count, late[pace_histogram];
};

static inline long long pace_now_us(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
  return now.tv_sec * 1000000LL + now.tv_nsec / 1000;
}

static inline void pace_note(struct pace_watch* watch, long long due, long long now) {
  if (due < __atomic_load_n(&watch->begin, __ATOMIC_ACQUIRE)) return;
  if (due > __atomic_load_n(&watch->end, __ATOMIC_ACQUIRE)) return;
  long long ms = (now - due) / 1000;
  if (ms >= pace_histogram) ms = pace_histogram - 1;
  __atomic_add_fetch(&watch->late[ms], 1, __ATOMIC_RELAXED);
  __atomic_add_fetch(&watch->count, 1, __ATOMIC_RELAXED);
}

static inline int pace_stopped(const struct pace_watch* watch) {
  return __atomic_load_n(&watch->stop, __ATOMIC_ACQUIRE);
}

// Sleeps from one deadline to the next until told to stop, or until the process has lost its
// parent, if one is given.
static inline void pace_keep(struct pace_watch* watch, long long first, pid_t parent) {
  long long due = first;
  while (!pace_stopped(watch) && (!parent || getppid() == parent)) {
    const struct timespec point = {due / 1000000, due % 1000000 * 1000};
    CHECK_OK(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &point, NULL));
    const long long now = pace_now_us();
    for (; due <= now; due += pace_period_us) pace_note(watch, due, now);
  }
}

static inline int pace_p99_ms(const struct pace_watch* watch) {
  long below = 0;
  for (int ms = 0; ms < pace_histogram; ++ms) {
    below += watch->late[ms];
    if (below * 100 >= watch->count * 99) return ms;
  }
  return pace_histogram;
}

struct pace_sleeper {
  struct pace_watch* watch;
  long long first;
};
static inline void* pace_sleep(void* sleeper) {
  const struct pace_sleeper* me = sleeper;
  pace_keep(me->watch, me->first, 0);
  return NULL;
}

struct pace_culprit {
  void* (*body)(void*);
  struct pace_watch *watch, *control;
  void* result;
};
static inline void* pace_get_stuck(void* culprit) {
  struct pace_culprit* me = culprit;
  const long long begin = pace_now_us() + pace_grace_us;
  __atomic_store_n(&me->watch->begin, begin, __ATOMIC_RELEASE);
  __atomic_store_n(&me->control->begin, begin, __ATOMIC_RELEASE);
  me->result = me->body(NULL);
  const long long end = pace_now_us();
  __atomic_store_n(&me->watch->end, end, __ATOMIC_RELEASE);
  __atomic_store_n(&me->control->end, end, __ATOMIC_RELEASE);
  return NULL;
}

// The process beside. It ends with its parent, whatever becomes of that.
static inline pid_t pace_start_control(struct pace_watch* watch) {
  const pid_t parent = getpid(), child = fork();
  CHECK(child >= 0);
  if (child > 0) return child;
  pace_keep(watch, pace_now_us(), parent);
  _exit(0);
}

static inline void pace_reset(struct pace_watch* watch) {
  memset(watch, 0, sizeof *watch);
  watch->begin = watch->end = LLONG_MAX;
}

// One round: what `body` returned in *result. False if the machine was late itself.
static inline int pace_round(void* (*body)(void*), struct pace_watch* watches, void** result) {
  struct pace_watch *watch = &watches[0], *control = &watches[1];
  static struct pace_sleeper sleepers[pace_sleepers];
  pthread_t all[pace_sleepers];
  struct pace_culprit culprit = {body, watch, control, NULL};
  int status;
  pace_reset(watch);
  pace_reset(control);
  const pid_t beside = pace_start_control(control);
  const long long now = pace_now_us();
  for (int i = 0; i < pace_sleepers; ++i) {
    sleepers[i].watch = watch;
    sleepers[i].first = now + pace_period_us + i * (pace_period_us / pace_sleepers);
    all[i] = start(pace_sleep, &sleepers[i]);
  }
  settle();
  join(start(pace_get_stuck, &culprit));
  // Those who slept through deadlines up to here still have to say so.
  settle();
  __atomic_store_n(&watch->stop, 1, __ATOMIC_RELEASE);
  __atomic_store_n(&control->stop, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < pace_sleepers; ++i) join(all[i]);
  CHECK(waitpid(beside, &status, 0) == beside && status == 0);
  *result = culprit.result;
  return pace_p99_ms(control) < pace_control_limit_ms;
}

// Runs `body` as the culprit, prints the fact about the pace and returns what it returned. It has
// to be stuck for longer than the first 100 ms.
static inline void* pace_beside(void* (*body)(void*)) {
  struct pace_watch* watches =
      mmap(NULL, 2 * sizeof *watches, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  CHECK(watches != MAP_FAILED);
  void* result = NULL;
  int kept = 0, calm = 0;
  for (int round = 0; round < pace_rounds && !kept && !calm; ++round) {
    calm = pace_round(body, watches, &result);
    CHECK(watches[0].count > 0);
    kept = pace_p99_ms(&watches[0]) < pace_limit_ms;
  }
  if (!kept)
    fprintf(stderr, "p99 lateness %d ms of %ld deadlines; in the process beside %d ms\n",
            pace_p99_ms(&watches[0]), watches[0].count, pace_p99_ms(&watches[1]));
  FACT("p99 lateness below 30 ms after the first hand-over", kept);
  CHECK(munmap(watches, 2 * sizeof *watches) == 0);
  return result;
}

#endif
