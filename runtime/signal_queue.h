// Where signals wait: the lock-free ring that the trampoline files into, and lists of pending ones.
#pragma once

#include <atomic>
#include <signal.h>
#include <stdint.h>

#include "runtime/fiber.h"

namespace vervet {

// A set of signals as the kernel has it: bit n-1 is signal n.
using signal_set = uint64_t;
inline constexpr signal_set signal_bit(int number) { return signal_set{1} << (number - 1); }
inline constexpr int lowest_realtime = 32;  // the kernel's; libc keeps two of them

// What the trampoline could not act upon at once.
struct caught_signal {
  siginfo_t info;
  uint32_t fiber_id;  // the fiber it is directed at; 0: the process
};

// Any number of trampolines file, one reader (with the signals' lock) takes. A standard signal that
// the process has in the ring already is dropped, as the kernel would: then catch_signal() returns
// false. No signal is lost if each kernel thread blocks them once the ring is nearly full.
bool catch_signal(const siginfo_t& info, uint32_t fiber_id);
bool caught_nearly_full();
bool take_caught(caught_signal& out);
extern std::atomic<uint32_t> caught_count;

// REQUIRES of all below: the signals' lock.
namespace pending {

// Appends; a standard signal that is there already is dropped. False if memory is short.
bool add(signal_list& list, std::atomic<signal_set>& present, const siginfo_t& info);
// Takes the oldest of the lowest number in `wanted`, synchronous faults first as the kernel does.
bool take(signal_list& list, std::atomic<signal_set>& present, signal_set wanted, siginfo_t& out);
// Drops all that are in `unwanted`.
void drop(signal_list& list, std::atomic<signal_set>& present, signal_set unwanted);

}  // namespace pending

// In a forked child nothing is pending, and nothing is whole.
void forget_pending();

}  // namespace vervet
