// FUTEX_REQUEUE and FUTEX_CMP_REQUEUE: some are woken, the rest moved to another word.
#include "futex.h"

static int from, to, gone;

static void* sleep_on_first(void* unused) {
  while (futex_wait(&from, 0) != 0) CHECK(errno == EINTR);
  __atomic_add_fetch(&gone, 1, __ATOMIC_SEQ_CST);
  return unused;
}

// Moves `count` sleepers in all, waking none; returns how many arrived.
static int move_all(int operation, int count) {
  int moved = 0;
  while (moved < count) {
    const long now = futex(&from, operation, 0, (const struct timespec*)(long)INT_MAX, &to, 0);
    CHECK(now >= 0);
    moved += (int)now;
    if (now == 0) breathe();
  }
  return moved;
}

static void exercise(const char* name, int operation) {
  pthread_t all[10];
  set(&gone, 0);
  for (int i = 0; i < 10; ++i) all[i] = start(sleep_on_first, NULL);
  const int moved = move_all(operation, 10);
  settle();
  say("%s: moved %d, woken %d", name, moved, get(&gone));
  FACT("  nobody is left on the first word", futex_wake(&from, INT_MAX) == 0);
  say("  woken from the second: %d", wake_in_all(&to, 10));
  for (int i = 0; i < 10; ++i) join(all[i]);
}

int main(void) {
  FACT("compare fails: EAGAIN",
       futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, (const struct timespec*)1L, &to, 5) == -1 &&
           errno == EAGAIN);
  FACT("nobody there: 0",
       futex(&from, FUTEX_CMP_REQUEUE_PRIVATE, 1, (const struct timespec*)1L, &to, 0) == 0);
  exercise("cmp_requeue", FUTEX_CMP_REQUEUE_PRIVATE);
  exercise("requeue", FUTEX_REQUEUE_PRIVATE);

  pthread_t all[10];
  set(&gone, 0);
  for (int i = 0; i < 10; ++i) all[i] = start(sleep_on_first, NULL);
  move_all(FUTEX_CMP_REQUEUE_PRIVATE, 10);
  // And back, waking three on the way: the answer counts both kinds.
  const long both = futex(&to, FUTEX_CMP_REQUEUE_PRIVATE, 3, (const struct timespec*)4L, &from, 0);
  say("woken and moved: %ld", both);
  while (get(&gone) < 3) breathe();
  settle();
  say("woken: %d", get(&gone));
  wake_in_all(&from, 4);
  wake_in_all(&to, 3);
  for (int i = 0; i < 10; ++i) join(all[i]);
  return 0;
}
