#include "interpose/futex.h"

#include "interpose/shared_memory.h"
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

long pass_on(const futex_call& c) {
  return sys::call(SYS_futex, sys::word(c.word), c.operation, c.value, c.fourth,
                   sys::word(c.second_word), c.third_value);
}

bool is_private(const futex_call& c) { return (c.operation & FUTEX_PRIVATE_FLAG) != 0; }

// What only the kernel can answer as the kernel does: EFAULT, EINVAL, ENOSYS.
bool is_odd(const uint32_t* word) {
  auto place = reinterpret_cast<uintptr_t>(word);
  return place < page_size || place % sizeof(uint32_t) != 0;
}

uint32_t load(uint32_t* word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }

// The two timeouts: FUTEX_WAIT has a duration, FUTEX_WAIT_BITSET a point in time.
deadline deadline_of(const futex_call& c, const timespec& t) {
  if ((c.operation & FUTEX_CMD_MASK) == FUTEX_WAIT) return after(nanoseconds_of(t));
  bool real_time = (c.operation & FUTEX_CLOCK_REALTIME) != 0;
  return deadline_at(real_time ? CLOCK_REALTIME : CLOCK_MONOTONIC, t);
}

long sleep_on_word(const futex_call& c, deadline until, uint32_t bits) {
  runtime_scope scope;
  auto unchanged = [&] { return load(c.word) == c.value; };
  lot::request sleep{
      .address = c.word, .what = wait_for::futex, .bits = bits, .validate = unchanged};
  sync::slices looks(until, !is_private(c) && in_shared_mapping(c.word));
  bool slept = false;
  for (;;) {
    sleep.until = looks.next();
    switch (lot::park(sleep)) {
      case lot::outcome::unparked: return 0;
      case lot::outcome::invalid: return slept ? 0 : -EAGAIN;
      case lot::outcome::timed_out:
        if (looks.last()) return -ETIMEDOUT;
        slept = true;
        break;
      case lot::outcome::interrupted: {
        interruption handled = handle_interruption(false);
        if (handled == interruption::fail) return -EINTR;
        // The kernel restarts only waits without a timeout.
        if (handled == interruption::restart && until != never) return -EINTR;
        break;
      }
      case lot::outcome::cut:
      case lot::outcome::deadlock: break;  // not ended so
    }
  }
}

long wait(const futex_call& c, uint32_t bits) {
  auto* timeout = reinterpret_cast<const timespec*>(c.fourth);
  if (timeout != nullptr && (timeout->tv_sec < 0 || !sync::valid(*timeout))) return -EINVAL;
  if (bits == 0) return -EINVAL;
  return sleep_on_word(c, timeout == nullptr ? never : deadline_of(c, *timeout), bits);
}

// Wakes in the lot. The fence stands between the program's store to the word and our look.
unsigned wake_in_lot(const void* word, uint32_t count, uint32_t bits = ~0u) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return lot::maybe_waited_on(word) ? lot::unpark(word, count, bits) : 0;
}

// The kernel wakes one where the count says none or less.
uint32_t wake_count(uint32_t count) { return static_cast<int32_t>(count) < 1 ? 1 : count; }

// Adds what the kernel answers for its own sleepers to what was done in the lot.
long sum(unsigned done, long in_kernel) {
  if (!sys::failed(in_kernel)) return done + in_kernel;
  return done != 0 ? static_cast<long>(done) : in_kernel;
}

long wake(const futex_call& c, uint32_t bits) {
  if (bits == 0) return -EINVAL;
  uint32_t count = wake_count(c.value);
  unsigned woken = wake_in_lot(c.word, count, bits);
  if (woken == count) return woken;
  futex_call rest = c;
  rest.value = count - woken;
  return sum(woken, pass_on(rest));
}

long requeue(const futex_call& c, bool compare) {
  if (is_odd(c.second_word)) return pass_on(c);
  auto moves = static_cast<uint32_t>(c.fourth);
  if (static_cast<int32_t>(c.value) < 0 || static_cast<int32_t>(moves) < 0) return -EINVAL;
  auto expected = [&] { return !compare || load(c.word) == c.third_value; };
  long done = lot::requeue(c.word, c.second_word, c.value, moves, expected);
  if (done < 0) return -EAGAIN;

  uint32_t woken = done < c.value ? static_cast<uint32_t>(done) : c.value;
  futex_call rest = c;
  rest.value = c.value - woken;
  rest.fourth = moves - (static_cast<uint32_t>(done) - woken);
  if (rest.value == 0 && rest.fourth == 0) return done;
  return sum(static_cast<unsigned>(done), pass_on(rest));
}

// The third value of FUTEX_WAKE_OP: an operation on the second word and a test of its old value.
struct word_operation {
  explicit word_operation(uint32_t code)
      : operation(code >> 28 & 7),
        test(code >> 24 & 15),
        argument(signed_field(code >> 12)),
        compared(signed_field(code)) {
    if ((code >> 28 & FUTEX_OP_OPARG_SHIFT) != 0) argument = 1u << (argument & 31);
  }

  bool is_known() const { return operation <= FUTEX_OP_XOR && test <= FUTEX_OP_CMP_GE; }

  uint32_t apply(uint32_t old) const {
    switch (operation) {
      case FUTEX_OP_SET: return argument;
      case FUTEX_OP_ADD: return old + argument;
      case FUTEX_OP_OR: return old | argument;
      case FUTEX_OP_ANDN: return old & ~argument;
      default: return old ^ argument;
    }
  }

  bool holds(uint32_t old) const {
    auto a = static_cast<int32_t>(old);
    auto b = static_cast<int32_t>(compared);
    switch (test) {
      case FUTEX_OP_CMP_EQ: return a == b;
      case FUTEX_OP_CMP_NE: return a != b;
      case FUTEX_OP_CMP_LT: return a < b;
      case FUTEX_OP_CMP_LE: return a <= b;
      case FUTEX_OP_CMP_GT: return a > b;
      default: return a >= b;
    }
  }

  static uint32_t signed_field(uint32_t bits) {
    return static_cast<uint32_t>(static_cast<int32_t>(bits << 20) >> 20);
  }

  uint32_t operation;
  uint32_t test;
  uint32_t argument;
  uint32_t compared;
};

long wake_and_operate(const futex_call& c) {
  word_operation op(c.third_value);
  if (!op.is_known() || is_odd(c.second_word)) return pass_on(c);
  uint32_t old = load(c.second_word);
  while (!__atomic_compare_exchange_n(c.second_word, &old, op.apply(old), false, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST)) {
  }
  futex_call part = c;
  part.operation = FUTEX_WAKE | (c.operation & FUTEX_PRIVATE_FLAG);
  long woken = wake(part, ~0u);
  if (sys::failed(woken) || !op.holds(old)) return woken;
  part.word = c.second_word;
  part.value = static_cast<uint32_t>(c.fourth);
  return sum(static_cast<unsigned>(woken), wake(part, ~0u));
}

}  // namespace

long futex(const futex_call& c) {
  if (!sync::may_park() || is_odd(c.word)) return pass_on(c);
  switch (c.operation & ~FUTEX_PRIVATE_FLAG) {
    case FUTEX_WAIT: return on_fiber() ? wait(c, ~0u) : pass_on(c);
    case FUTEX_WAIT_BITSET:
    case FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME:
      return on_fiber() ? wait(c, c.third_value) : pass_on(c);
    case FUTEX_WAKE: return wake(c, ~0u);
    case FUTEX_WAKE_BITSET: return wake(c, c.third_value);
    case FUTEX_REQUEUE: return requeue(c, false);
    case FUTEX_CMP_REQUEUE: return requeue(c, true);
    case FUTEX_WAKE_OP: return wake_and_operate(c);
    default: return pass_on(c);
  }
}

}  // namespace vervet::interpose
