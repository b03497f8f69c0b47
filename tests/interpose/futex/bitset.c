// FUTEX_WAIT_BITSET and FUTEX_WAKE_BITSET: masks and absolute times on either clock.
#include "futex.h"

static int word, gone[2];

static void* sleep_with_mask(void* mask) {
  const int bits = (int)(long)mask;
  while (futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, bits) != 0) CHECK(errno == EINTR);
  set(&gone[bits - 1], 1);
  return NULL;
}

static void wake_mask(int mask) {
  while (futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, mask) == 0) breathe();
}

static void until(const char* name, clockid_t clock, int flag, long ms) {
  const struct timespec point = after_ms(clock, ms);
  const long long began = now_ms();
  const long result =
      futex(&word, FUTEX_WAIT_BITSET_PRIVATE | flag, 0, &point, NULL, FUTEX_BITSET_MATCH_ANY);
  say("until %s: %ld %s", name, result, error_name(errno));
  const long long took = now_ms() - began;
  FACT("  in due time", took >= ms - 1 && took < 5000);
}

int main(void) {
  FACT("an empty mask to wait: EINVAL",
       futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0) == -1 && errno == EINVAL);
  FACT("an empty mask to wake: EINVAL",
       futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 0) == -1 && errno == EINVAL);
  until("60 ms, monotonic", CLOCK_MONOTONIC, 0, 60);
  until("60 ms, real time", CLOCK_REALTIME, FUTEX_CLOCK_REALTIME, 60);
  until("a past point, monotonic", CLOCK_MONOTONIC, 0, -1000);
  until("a past point, real time", CLOCK_REALTIME, FUTEX_CLOCK_REALTIME, -1000);

  const pthread_t one = start(sleep_with_mask, (void*)1L);
  const pthread_t two = start(sleep_with_mask, (void*)2L);
  wake_mask(2);
  join(two);
  settle();
  FACT("mask 2 wakes the second alone", get(&gone[1]) && !get(&gone[0]));
  FACT("mask 4 wakes nobody", futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 4) == 0);
  wake_mask(3);
  join(one);

  // A plain wake matches every mask, a plain wait any mask.
  set(&gone[0], 0);
  const pthread_t again = start(sleep_with_mask, (void*)1L);
  wake_in_all(&word, 1);
  join(again);
  FACT("a plain wake matches mask 1", get(&gone[0]));
  return 0;
}
