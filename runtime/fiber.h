// The fiber control block.
#pragma once

#include <atomic>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/context.h"
#include "runtime/list.h"
#include "runtime/parker.h"
#include "runtime/stack.h"
#include "runtime/thread_state.h"
#include "runtime/timer_queue.h"
#include "vervet/abi.h"

namespace vervet {

struct carrier;
class light_hub;

enum class fiber_kind : uint8_t {
  full,   // own TLS, own pthread_t: a pthread's stand-in; may run on any carrier
  light,  // shares its host's identity and runs only while the host runs
};

// Signals in the order they came (signal_list.h).
struct pending_signal;
struct signal_list {
  pending_signal* first = nullptr;
  pending_signal* last = nullptr;
};

// Who collects the result and recycles the fiber: exactly one of a joiner and the end itself.
enum class thread_fate : uint32_t {
  joinable,
  detached,   // its end recycles it
  ended,      // waits for a joiner (or a late detach)
  collected,  // taken by one of them
};

enum class fiber_life : uint8_t {
  fresh,     // never started, or recycled and waiting for its next start
  alive,     // started
  finished,  // its entry returned; the result can be collected
};

// What a full fiber keeps because it stands for a pthread.
struct thread_part {
  // The mask that the program sees; the kernel's mask on a carrier is something else. Written by the fiber
  // itself. (First, for each switch looks at it.)
  std::atomic<uint64_t> signal_mask{0};
  uint32_t id = 0;               // what gettid() and lock owners show; > 2^22 but for the main thread
  uint64_t number = 0;           // for messages: the n-th full fiber of this process
  bool is_main = false;
  bool own_stack = true;         // the stack is a slot of ours, not the program's (attr_setstack)
  char* stack_low = nullptr;     // as pthread_getattr_np reports it
  size_t stack_size = 0;
  size_t guard_size = 0;
  void* (*start)(void*) = nullptr;
  void* argument = nullptr;
  void* result = nullptr;
  uint32_t sse_control = 0;      // mxcsr and x87 control word of the creator, which a thread inherits
  uint16_t x87_control = 0;
  std::atomic<thread_fate> fate{thread_fate::joinable};
  std::atomic<uint32_t> joiner{0};  // one thread joins it
  char name[16] = {};

  // What pthread_setaffinity_np() and pthread_setschedparam() were told: remembered, not acted upon.
  uint64_t affinity = 0;  // of the first 64 CPUs; 0: never set
  int policy = 0;
  int priority = 0;

  // Cancellation. `cancel_requested` is set by anyone; the rest is the fiber's own.
  std::atomic<uint32_t> cancel_requested{0};
  bool cancel_disabled = false;
  bool cancel_asynchronous = false;
  bool exiting = false;

  // Signals, guarded by signal_internal.h's lock.
  std::atomic<uint64_t> signals_awaited{0};  // sigwait() & co. take these although they are blocked
  std::atomic<uint64_t> signals_pending{0};  // the numbers in signal_queue
  signal_list signal_queue;                  // directed at this fiber, not yet handled
  uint64_t signals_counted = 0;              // the mask as counted into common_mask
  bool signals_open = false;                 // between fiber_mask_started() and fiber_mask_ended()
  stack_t alternate_stack = {nullptr, SS_DISABLE, 0};
};

// The hook of the list of all full fibers alive.
struct fiber_alive : list_hook {};

// What a spawned fiber is to do.
struct spawn_call {
  void* (*entry)(void*);
  void* argument;
  deadline start;            // not before
  void (*discard)(void*);    // in the entry's place if it is killed before its start; may be null
};

// Bits of fiber::root.flags beside the public ones.
inline constexpr uint32_t scope_of_no_plain_flow = 1u << 31;  // for ever: see fiber::plain()
inline constexpr uint32_t scope_has_inner = 1u << 30;         // others are entered
inline constexpr uint32_t scope_of_flow_left_alone = 1u << 29;  // a host's own, whose fibers have ended

// The block's first cache lines, in the order of how often they are touched: what many fibers wait for in
// their turns is little else.
//
// The first: what each switch touches. The second: what some waits do.
struct fiber_turn : parker {
  fiber_kind kind = fiber_kind::full;
  std::atomic<fiber_life> life{fiber_life::fresh};
  bool from_outside = false;            // light: another thread took its stack, and takes the next one
  context flow;
  light_hub* hub = nullptr;             // light: its hub
  vervet_fiber* handle = nullptr;       // what the API's handles refer to, if the API spawned it
  int kept_errno = 0;                   // light: while it yields
  std::atomic<uint32_t> interrupts{0};  // interrupt_signal, interrupt_cancel: due, not yet looked at
  // A spawned fiber's outermost scope: its kills (scope.h). Its flags and `cancelled` come first.
  vervet_scope root = {scope_of_no_plain_flow, 0, VERVET_NEVER, 0, nullptr, nullptr, nullptr};
  flow_state own = {nullptr, nullptr};  // what else the flow carries with it
  fiber* next_queued = nullptr;         // shared queue, inbox, free list
};
static_assert(offsetof(vervet_scope, cancelled) == 4);
static_assert(sizeof(fiber_turn) == 128);

// What its beginning and its end need.
struct fiber_span : fiber_alive {
  stack_slot stack;
  spawn_call call = {};  // if the API spawned it
};
static_assert(sizeof(fiber_span) == 64);

struct fiber : fiber_turn, fiber_span, timer_node {
  carrier* on = nullptr;                // full: the carrier that runs it now or ran it last
  carrier* wired_to = nullptr;          // full: the carrier that it keeps for life
  thread_part thread;

  // What an earlier life of this memory has left.
  void forget_flow() {
    own = {nullptr, nullptr};
    root = {kind == fiber_kind::full ? scope_of_no_plain_flow : 0, 0, VERVET_NEVER, 0, nullptr,
            nullptr, nullptr};
    handle = nullptr;
    interrupts.store(0, std::memory_order_relaxed);
  }

  // One test for all that a yield, or a wait without a deadline, need not care about: it is a light fiber or
  // a host's own flow among some, it was not killed, and no scope is entered but the root.
  bool plain() const {
    return __atomic_load_n(reinterpret_cast<const flags_and_cancelled*>(&root.flags),
                           __ATOMIC_SEQ_CST) == 0;
  }
  // Of a flow that nobody can kill. (As a whole, as plain() looks at it.)
  void set_flags(uint32_t flags) {
    __atomic_store_n(reinterpret_cast<flags_and_cancelled*>(&root.flags), flags, __ATOMIC_RELAXED);
  }
  using flags_and_cancelled = uint64_t __attribute__((may_alias));
};

}  // namespace vervet
