#include "runtime/ready_queue.h"

#include <sys/mman.h>

#include "runtime/check.h"
#include "runtime/sys.h"

namespace vervet {

ready_queue::ready_queue(fiber& round_end)
    : head_(first_slots_), tail_(first_slots_), begin_(first_slots_), end_(first_slots_ + first_capacity) {
  for (fiber*& slot : first_slots_) slot = &round_end;
  push(round_end);
}

[[gnu::noinline]] void ready_queue::grow() {
  uint64_t capacity = static_cast<uint64_t>(end_ - begin_);
  auto bytes = [](uint64_t slots) { return (slots + farthest) * sizeof(fiber*); };
  auto* bigger = static_cast<fiber**>(sys::map(nullptr, bytes(2 * capacity),
                                               PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  CHECK(bigger != nullptr, "out of memory for a queue of %lu runnable fibers",
        static_cast<unsigned long>(2 * capacity));
  // It is full: all of them, from the first on, and once more for peek().
  fiber** from = head_;
  for (uint64_t i = 0; i != 2 * capacity + farthest; ++i, from = after(from)) bigger[i] = *from;
  if (begin_ != first_slots_) sys::unmap(begin_, bytes(capacity));
  begin_ = head_ = bigger;
  tail_ = bigger + capacity;
  end_ = bigger + 2 * capacity;
}

}  // namespace vervet
