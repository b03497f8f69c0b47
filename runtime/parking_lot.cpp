#include "runtime/parking_lot.h"

#include <errno.h>

#include "runtime/thread_state.h"

namespace vervet::lot {
namespace {

struct sleeper : list_hook {
  const void* address;
  parker* who;
  uint64_t epoch;
  uint32_t bits;
  std::atomic<unsigned> bucket;  // where it is linked: a requeue moves it
};

struct alignas(64) bucket {
  lock mutex;
  std::atomic<uint32_t> count{0};  // linked, or about to validate
  list<sleeper> sleepers;
};

constexpr unsigned bucket_bits = 11;
bucket buckets[1u << bucket_bits];

unsigned bucket_index(const void* address) {
  return reinterpret_cast<uintptr_t>(address) * 0x9E3779B97F4A7C15ull >> (64 - bucket_bits);
}

void link(bucket& b, unsigned index, sleeper& s, bool ahead) {
  s.bucket.store(index, std::memory_order_relaxed);
  if (ahead)
    b.sleepers.push_front(&s);
  else
    b.sleepers.push_back(&s);
}

void unlink(bucket& b, sleeper& s) {
  list<sleeper>::remove(&s);
  b.count.fetch_sub(1, std::memory_order_relaxed);
}

// The bucket that holds `s` at the moment, locked.
bucket& lock_bucket_of(sleeper& s) {
  for (;;) {
    unsigned index = s.bucket.load(std::memory_order_acquire);
    bucket& b = buckets[index];
    b.mutex.acquire();
    if (s.bucket.load(std::memory_order_relaxed) == index) return b;
    b.mutex.release();
  }
}

void leave_queue(sleeper& s) {
  // Also when a waker has unlinked us: it still holds the lock that keeps our node alive.
  bucket& b = lock_bucket_of(s);
  if (s.linked()) unlink(b, s);
  b.mutex.release();
}

}  // namespace

outcome outcome_of(wake_reason reason) {
  switch (reason) {
    case wake_reason::timed_out:
      return outcome::timed_out;
    case wake_reason::interrupted:
      return outcome::interrupted;
    case wake_reason::cut:
      return outcome::cut;
    case wake_reason::deadlock:
      return outcome::deadlock;
    default:
      return outcome::unparked;
  }
}

int error_of(outcome o) {
  switch (o) {
    case outcome::timed_out:
      return ETIMEDOUT;
    case outcome::cut:
      return ECANCELED;
    case outcome::deadlock:
      return EDEADLK;
    default:
      return 0;
  }
}

outcome park(const request& r) {
  runtime_scope scope;
  unsigned index = bucket_index(r.address);
  bucket& b = buckets[index];
  parker& self = self_parker();
  sleeper s{};
  s.address = r.address;
  s.who = &self;
  s.bits = r.bits;
  s.epoch = self.arm(r.interruptible);

  b.mutex.acquire();
  // Before validate(): an unlocker that changes the word after it looks at this count.
  b.count.fetch_add(1, std::memory_order_seq_cst);
  if (r.validate && !r.validate()) {
    b.count.fetch_sub(1, std::memory_order_relaxed);
    b.mutex.release();
    disarm(self);
    return outcome::invalid;
  }
  link(b, index, s, r.ahead);
  b.mutex.release();

  if (r.before_sleep && !r.before_sleep()) {
    wake_reason reason = disarm(self);
    leave_queue(s);
    return reason == wake_reason::ready ? outcome::unparked : outcome::invalid;
  }
  wake_reason reason = park(self, r.what, r.until);
  leave_queue(s);
  return outcome_of(reason);
}

unsigned unpark(const void* address, unsigned count, uint32_t bits) {
  runtime_scope scope;
  bucket& b = buckets[bucket_index(address)];
  if (b.count.load(std::memory_order_seq_cst) == 0) return 0;
  lock_guard guard(b.mutex);
  unsigned woken = 0;
  for (sleeper* s = b.sleepers.front(); s != nullptr && woken < count;) {
    sleeper* next = b.sleepers.after(s);
    if (s->address == address && (s->bits & bits) != 0) {
      unlink(b, *s);
      // Lost to a timeout or an interruption: that wait is over, this wake goes to the next.
      if (wake(*s->who, s->epoch, wake_reason::ready)) ++woken;
    }
    s = next;
  }
  return woken;
}

uint32_t unpark_first(const void* address) {
  runtime_scope scope;
  bucket& b = buckets[bucket_index(address)];
  if (b.count.load(std::memory_order_seq_cst) == 0) return 0;
  lock_guard guard(b.mutex);
  for (sleeper* s = b.sleepers.front(); s != nullptr;) {
    sleeper* next = b.sleepers.after(s);
    if (s->address == address) {
      // Read before the wake: the sleeper may go on, and its node with it, once the lock is released.
      uint32_t bits = s->bits;
      unlink(b, *s);
      if (wake(*s->who, s->epoch, wake_reason::ready)) return bits;
    }
    s = next;
  }
  return 0;
}

long requeue(const void* from, const void* to, unsigned wake_count, unsigned move_count,
             call_ref validate) {
  runtime_scope scope;
  unsigned from_index = bucket_index(from);
  unsigned to_index = bucket_index(to);
  bucket& source = buckets[from_index];
  bucket& target = buckets[to_index];
  bucket& first = from_index < to_index ? source : target;
  bucket& second = from_index < to_index ? target : source;
  lock_guard guard(first.mutex);
  if (&first != &second) second.mutex.acquire();

  long done = -1;
  if (!validate || validate()) {
    done = 0;
    unsigned moved = 0;
    for (sleeper* s = source.sleepers.front(); s != nullptr;) {
      sleeper* next = source.sleepers.after(s);
      if (s->address == from && wake_count > 0) {
        unlink(source, *s);
        if (wake(*s->who, s->epoch, wake_reason::ready)) {
          --wake_count;
          ++done;
        }
      } else if (s->address == from && moved < move_count) {
        unlink(source, *s);
        target.count.fetch_add(1, std::memory_order_relaxed);
        s->address = to;
        link(target, to_index, *s, false);
        ++moved;
        ++done;
      }
      s = next;
    }
  }
  if (&first != &second) second.mutex.release();
  return done;
}

bool maybe_waited_on(const void* address) {
  return buckets[bucket_index(address)].count.load(std::memory_order_seq_cst) != 0;
}

void acquire_all() {
  for (bucket& b : buckets) b.mutex.acquire();
}

void release_all() {
  for (bucket& b : buckets) b.mutex.release();
}

void forget_all() {
  for (bucket& b : buckets) {
    b.mutex.reset();
    b.count.store(0, std::memory_order_relaxed);
    b.sleepers = {};
  }
}

}  // namespace vervet::lot
