// The watchdog: a kernel thread that reports flows which hold their hub of light fibers for too
// long, because they compute or block in something that was not intercepted. Nothing but a report
// can help there: a light fiber cannot be moved to another kernel thread.
//
// It runs only if VERVET_MAX_BLOCKING_TIME asks for it, from the first hub on. A few times in that
// span it looks which turn each hub is in; it sleeps while all hubs do.
#pragma once

#include <atomic>
#include <stdint.h>

#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/list.h"

namespace vervet {

struct fiber;
struct thread_state;
class light_hub;

namespace watchdog {

extern std::atomic<bool> watching;
// A hub starts to run while the watchdog may be asleep.
void note_running();

// What the watchdog knows of a hub. Type-stable, as hubs are.
//
// Thread safety: the turn is written by the hub's host alone.
struct watched : list_hook {
  // Odd while a flow of the hub runs. Each turn has a value of its own, for ever.
  std::atomic<uint64_t> turn{0};
  static constexpr uint64_t step = 2;

  // A flow begins its turn, after another one or after resume().
  void begin_turn() {
    // One instruction, which the compiler would not make of a load and a store.
    __asm__("addq %1, %0" : "+m"(turn) : "i"(step));
  }
  // No flow of the hub runs: all wait, or the host does something else.
  void pause() {
    turn.store(turn.load(std::memory_order_relaxed) & ~uint64_t{1}, std::memory_order_relaxed);
  }
  void resume() {
    turn.store((turn.load(std::memory_order_relaxed) + step) | 1, std::memory_order_relaxed);
    if (watching.load(std::memory_order_relaxed)) [[unlikely]]
      note_running();
  }

  // Set by hub_starts(), read under the list's lock.
  light_hub* hub = nullptr;
  fiber* host = nullptr;
  const thread_state* state = nullptr;
  int kernel_tid = 0;

  // The watchdog's own.
  uint64_t seen = 0;  // the turn at its last look
  deadline since = 0;
  uint64_t reported = 0;
};

// Reads VERVET_MAX_BLOCKING_TIME, once. A value out of range ends the process with one line and
// status 2.
VERVET_DOOR void read_environment();

// The calling identity's hub starts and ends. REQUIRES: in_runtime == 0; inside the runtime.
void hub_starts(light_hub& hub);
void hub_ends(light_hub& hub);

// In a forked child: no hub is left, and nobody watches until there is one again.
void forget();

}  // namespace watchdog
}  // namespace vervet
