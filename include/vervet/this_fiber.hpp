// The calling fiber: who it is, letting others run, and whether it is to end.
#pragma once

#include <cstdint>
#include <string_view>

#include <vervet/abi.h>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

// All of these may be called by OS threads, too. None blocks but yield(), idle() and the sleeps.
namespace vervet::this_fiber {

// See time.hpp. Cancellable.
using vervet::sleep_for;
using vervet::sleep_until;
using vervet::yield;

// A number that tells the calling flow (fiber or OS thread) from all others alive in this process.
// Never 0.
inline std::uint64_t id() noexcept { return vervet_self(); }

// The fiber's name, as long as it runs; "" if it has none or an OS thread calls.
inline std::string_view name() noexcept {
  vervet_fiber* own = vervet_current();
  return own != nullptr ? vervet_name(own) : "";
}

// The fiber's number, fiber::number(); 0 in a flow that was not spawned.
inline std::uint64_t number() noexcept {
  vervet_fiber* own = vervet_current();
  return own != nullptr ? vervet_number(own) : 0;
}

// Yields until nothing else is runnable: all others of its thread (inside run(), of the workers)
// wait or have ended (gevent's idle()). Throws cut_short.
inline void idle() {
  if (int error = vervet_idle()) detail::throw_wait_error(error);
}

// Whether the fiber was killed and its next wait will throw for it. For code that computes long and
// wants to end in its own way; the kill stays.
inline bool is_killed() noexcept {
  if (vervet_check_killed() == 0) return false;
  vervet_kill(vervet_current());
  return true;
}

// Throws what the next wait would throw: the exception of a kill, an expired timeout, a stop. For
// code that computes long.
inline void check() { detail::throw_if_cut(); }

}  // namespace vervet::this_fiber
