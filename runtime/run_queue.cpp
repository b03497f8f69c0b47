#include "runtime/run_queue.h"

#include <sys/mman.h>

#include "runtime/check.h"
#include "runtime/sys.h"

namespace vervet {

run_queue::ring* run_queue::larger(ring* present, uint64_t head, uint64_t tail) {
  constexpr uint64_t first_size = 4096;
  uint64_t size = present == nullptr
                      ? first_size
                      : sizeof(ring) + present->capacity() * 2 * sizeof(std::atomic<fiber*>);
  // A power of two slots beside the header.
  uint64_t capacity = present == nullptr ? first_size / sizeof(void*) / 2 : present->capacity() * 2;
  auto* fresh = static_cast<ring*>(
      sys::map(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  CHECK(fresh != nullptr, "out of memory for a queue of %lu runnable fibers",
        static_cast<unsigned long>(capacity));
  fresh->replaced = present;
  fresh->mask = capacity - 1;
  for (uint64_t i = head; i != tail; ++i)
    fresh->at(i).store(present->at(i).load(std::memory_order_relaxed), std::memory_order_relaxed);
  ring_.store(fresh, std::memory_order_release);
  return fresh;
}

void run_queue::make_room(uint64_t tail) {
  uint64_t head = head_.load(std::memory_order_acquire);
  ring* r = ring_.load(std::memory_order_relaxed);
  if (r == nullptr || tail - head == r->capacity()) r = larger(r, head, tail);
  room_until_ = head + r->capacity();
}

fiber* run_queue::pop_among_others() {
  for (;;) {
    uint64_t head = head_.load(std::memory_order_acquire);
    uint64_t tail = tail_.load(std::memory_order_acquire);
    if (head == tail) return nullptr;
    fiber* f = ring_.load(std::memory_order_acquire)->at(head).load(std::memory_order_relaxed);
    if (head_.compare_exchange_weak(head, head + 1, std::memory_order_acq_rel)) return f;
  }
}

fiber* run_queue::steal_into(run_queue& thief) {
  for (;;) {
    uint64_t head = head_.load(std::memory_order_acquire);
    uint64_t tail = tail_.load(std::memory_order_acquire);
    if (head == tail) return nullptr;
    uint64_t count = (tail - head + 1) / 2;
    if (count > most_stolen) count = most_stolen;
    ring* r = ring_.load(std::memory_order_acquire);
    fiber* taken[most_stolen];
    for (uint64_t i = 0; i < count; ++i) taken[i] = r->at(head + i).load(std::memory_order_relaxed);
    if (!head_.compare_exchange_weak(head, head + count, std::memory_order_acq_rel)) continue;
    for (uint64_t i = 1; i < count; ++i) thief.push(*taken[i]);
    return taken[0];
  }
}

void run_queue::forget() {
  for (ring* r = ring_.load(std::memory_order_relaxed); r != nullptr;) {
    ring* before = r->replaced;
    sys::unmap(r, sizeof(ring) + r->capacity() * sizeof(std::atomic<fiber*>));
    r = before;
  }
  ring_ = nullptr;
  head_ = 0;
  tail_ = 0;
  room_until_ = 0;
}

}  // namespace vervet
