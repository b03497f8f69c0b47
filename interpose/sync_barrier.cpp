// pthread_barrier_*: libc's protocol on libc's own words, because there is no try call to build on;
// only the sleeping is ours. So a barrier works across the runtime's wake-up, fork and processes.
//
// `in` counts arrivals, and an arrival's number tells its round. `current_round` is the number of
// the last arrival whose round is complete. `out` counts those who have left; destroy waits for
// them, because one thread of a round may destroy the barrier while the others are on their way
// out. Before `in` can overflow, at the end of a round, the last to leave starts all over.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

using counter = std::atomic<uint32_t>;

// glibc's struct pthread_barrier.
struct barrier {
  counter in;
  counter current_round;
  uint32_t count;
  int process_shared;
  counter out;

  // How many may enter before a reset.
  uint32_t limit() const {
    constexpr uint32_t threshold = UINT32_MAX / 2;
    return threshold - threshold % count;
  }
};
static_assert(sizeof(barrier) <= sizeof(pthread_barrier_t));

// Threads that began to wait while the runtime slept, and wait inside libc.
counter in_libc{0};

barrier& barrier_in(pthread_barrier_t* b) { return *reinterpret_cast<barrier*>(b); }

// Sleeps unless `word` has left `seen`. May return early.
void sleep_on(const counter& word, uint32_t seen, bool process_shared) {
  auto unchanged = [&] { return word.load(std::memory_order_acquire) == seen; };
  lot::request sleep{
      .address = &word,
      .what = wait_for::barrier,
      .until = process_shared ? after(sync::shared_slice) : never,
      .validate = unchanged,
  };
  if (lot::park(sleep) == lot::outcome::interrupted) handle_interruption(false);
}

// The word may be gone already.
void wake_all(const counter& word, bool process_shared) {
  if (lot::maybe_waited_on(&word)) lot::unpark(&word, UINT32_MAX);
  if (process_shared || in_libc.load() != 0)
    sys::call(SYS_futex, sys::word(&word),
              process_shared ? FUTEX_WAKE : FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT32_MAX);
}

// Returns the caller's number among the arrivals since the last reset.
uint32_t enter(barrier& b) {
  for (;;) {
    uint32_t number = b.in.fetch_add(1) + 1;
    if (number <= b.limit()) return number;
    for (; number > b.limit(); number = b.in.load(std::memory_order_relaxed))
      sleep_on(b.in, number, b.process_shared != 0);
  }
}

// Completes the rounds that the caller's arrival completed.
void complete_rounds(barrier& b, uint32_t number) {
  uint32_t round = b.current_round.load(std::memory_order_relaxed);
  while (round + b.count <= number)
    if (b.current_round.compare_exchange_weak(round, number - number % b.count))
      return wake_all(b.current_round, b.process_shared != 0);
}

void await_round(barrier& b, uint32_t number) {
  for (;;) {
    uint32_t round = b.current_round.load(std::memory_order_acquire);
    if (number <= round) return;
    sleep_on(b.current_round, round, b.process_shared != 0);
  }
}

// The barrier may be destroyed by others once `out` shows that we left, or `in` that the reset is
// done.
void leave(barrier& b) {
  uint32_t limit = b.limit();
  if (b.out.fetch_add(1) + 1 != limit) return;
  bool process_shared = b.process_shared != 0;
  b.current_round.store(0, std::memory_order_relaxed);
  b.out.store(0, std::memory_order_relaxed);
  b.in.store(0);
  wake_all(b.in, process_shared);
}

int wait(barrier& b) {
  runtime_scope scope;
  uint32_t number = enter(b);
  bool is_last = number % b.count == 0;
  complete_rounds(b, number);
  await_round(b, number);
  leave(b);
  return is_last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

int wait_in_libc(pthread_barrier_t* b) {
  in_libc.fetch_add(1);
  int result = real().pthread_barrier_wait(b);
  in_libc.fetch_sub(1);
  return result;
}

// Counts all who might still enter as having left: then the last one on its way out does a reset,
// and that is the sign that nobody touches the barrier any more.
void wait_for_leavers(barrier& b) {
  runtime_scope scope;
  uint32_t in = b.in.load(std::memory_order_relaxed);
  uint32_t left = b.out.fetch_add(b.limit() - in);
  if (left >= in) return;
  for (; in != 0; in = b.in.load(std::memory_order_acquire))
    sleep_on(b.in, in, b.process_shared != 0);
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_barrier_wait(pthread_barrier_t* b) noexcept {
  if (!sync::may_park()) return wait_in_libc(b);
  return wait(barrier_in(b));
}

EXPORT
int pthread_barrier_destroy(pthread_barrier_t* b) noexcept {
  if (!sync::may_park()) return real().pthread_barrier_destroy(b);
  wait_for_leavers(barrier_in(b));
  return 0;
}
