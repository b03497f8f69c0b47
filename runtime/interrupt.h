// Interruptions of a parked fiber: signal handlers that are due on it, and cancellation.
//
// The sender marks first (fiber::interrupts), then ends the wait; the sleeper arms first, then looks
// at the mark: one of the two sees the other.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"
#include "runtime/fiber.h"

namespace vervet {

// Further bits of fiber::interrupts, beside interrupt_signal and interrupt_cancel.
inline constexpr uint32_t interrupt_asynchronous = 4;  // a cancellation that does not wait for a point
inline constexpr uint32_t interrupt_counted = 8;       // told of a signal while awake: in deferred_work

enum class interruption : uint8_t {
  nothing,  // no handler ran: the wait goes on, whatever the call
  restart,  // every handler that ran was installed with SA_RESTART
  fail,     // a handler without SA_RESTART ran: calls that can fail with EINTR do
};

// Runs what is due on the calling fiber: its signal handlers, then, if `cancellation_point`, a
// cancellation that is due (then it does not return: the stack is unwound and the thread ends).
// REQUIRES: the caller has opened exactly one runtime_scope; it is left while program code runs.
VERVET_DOOR interruption handle_interruption(bool cancellation_point);

// A cancellation point's first act inside its scope: ends the thread if a cancellation is due.
VERVET_DOOR void cancellation_point();

// True if something that a wait of this class accepts is due on the fiber.
inline bool interruption_due(const fiber& f, wait_class accepts) {
  return (f.interrupts.load(std::memory_order_seq_cst) & static_cast<uint32_t>(accepts)) != 0;
}

}  // namespace vervet
