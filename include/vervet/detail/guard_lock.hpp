// The lock inside the primitives. Not for direct use.
//
// Held for a few instructions, and yet not a spin lock: inside run() a fiber may be preempted while
// it holds one, and who then wants it must let it run. Nothing cuts the wait for it short.
#pragma once

#include <atomic>
#include <cstdint>

#include <vervet/abi.h>

namespace vervet::detail {

class guard_lock {
 public:
  guard_lock() = default;
  guard_lock(const guard_lock&) = delete;
  guard_lock& operator=(const guard_lock&) = delete;

  void lock() noexcept {
    std::uint32_t expected = free;
    if (word_.compare_exchange_strong(expected, held, std::memory_order_acquire)) [[likely]]
      return;
    while (word_.exchange(contended, std::memory_order_acquire) != free)
      vervet_park(&word_, still_contended, this, VERVET_NEVER,
                  VERVET_PARK_UNCUT | VERVET_PARK_OUTSIDE);
  }

  bool try_lock() noexcept {
    std::uint32_t expected = free;
    return word_.compare_exchange_strong(expected, held, std::memory_order_acquire);
  }

  void unlock() noexcept {
    // The lock may be gone once it is free: the address alone is used. In order with
    // vervet_unpark()'s look for sleepers: a sleeper shows up, then looks at the word.
    if (word_.exchange(free, std::memory_order_seq_cst) == contended) vervet_unpark(&word_, 1);
  }

 private:
  static constexpr std::uint32_t free = 0;
  static constexpr std::uint32_t held = 1;
  static constexpr std::uint32_t contended = 2;

  static int still_contended(void* self) {
    return static_cast<guard_lock*>(self)->word_.load() == contended;
  }

  std::atomic<std::uint32_t> word_{free};
};

}  // namespace vervet::detail
