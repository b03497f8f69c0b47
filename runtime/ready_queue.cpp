#include "runtime/ready_queue.h"

#include <sys/mman.h>

#include "runtime/check.h"
#include "runtime/sys.h"

namespace vervet {

namespace {

size_t bytes_of(uint64_t capacity) { return (capacity + ready_queue::farthest) * sizeof(fiber*); }

}  // namespace

ready_queue::ready_queue(fiber& round_end) : begin_(first_slots_) {
  first_slots_[0] = &round_end;
  head_ = begin_;
  reset();
}

void ready_queue::reset() {
  fiber* round_end = &first();
  give_back();
  for (fiber*& slot : first_slots_) slot = round_end;
  head_ = begin_ = first_slots_;
  tail_ = head_ + 1;
  end_ = begin_ + first_capacity;
}

void ready_queue::give_back() {
  if (begin_ != first_slots_) sys::unmap(begin_, bytes_of(static_cast<uint64_t>(end_ - begin_)));
}

[[gnu::noinline]] void ready_queue::grow() {
  uint64_t capacity = static_cast<uint64_t>(end_ - begin_);
  auto* bigger = static_cast<fiber**>(sys::map(nullptr, bytes_of(2 * capacity),
                                               PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  CHECK(bigger != nullptr, "out of memory for a queue of %lu runnable fibers",
        static_cast<unsigned long>(2 * capacity));
  // It is full: all of them, from the first on, and once more for peek().
  fiber** from = head_;
  for (uint64_t i = 0; i != 2 * capacity + farthest; ++i, from = after(from)) bigger[i] = *from;
  give_back();
  begin_ = head_ = bigger;
  tail_ = bigger + capacity;
  end_ = bigger + 2 * capacity;
}

}  // namespace vervet
