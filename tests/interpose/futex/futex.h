// The futex system call as programs and other languages' runtimes make it: through syscall().
#ifndef FUTEX_H
#define FUTEX_H

#include "../check.h"

#include <limits.h>
#include <linux/futex.h>

static inline long futex(int* word, int operation, int value, const struct timespec* timeout,
                         int* second, int third) {
  return syscall(SYS_futex, word, operation, value, timeout, second, third);
}

static inline long futex_wait(int* word, int value) {
  return futex(word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static inline long futex_wake(int* word, int count) {
  return futex(word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

// Wakes until `count` threads were woken in all: some may not have gone to sleep yet.
static inline int wake_in_all(int* word, int count) {
  int woken = 0;
  while (woken < count) {
    const long now = futex_wake(word, count - woken);
    CHECK(now >= 0);
    woken += (int)now;
    if (now == 0) breathe();
  }
  return woken;
}

static inline int get(int* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }
static inline void set(int* word, int value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }

#endif
