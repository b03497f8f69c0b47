// Asks a kernel thread that runs a hub's flow who that is, and for its stack.
//
// Signal 33 interrupts the thread; its handler looks, on a stack of its own, and the thread goes on
// as if nothing had happened. A thread that sleeps in a system call which would notice is left
// alone: of that the innermost frame is known without its help.
#pragma once

#include <stdint.h>
#include <ucontext.h>

namespace vervet {

class light_hub;
struct thread_state;

namespace inquiry {

inline constexpr unsigned most_frames = 64;

struct culprit {
  uint64_t number = 0;  // of the fiber; 0: the host's own flow
  char name[16] = {};
};

struct finding {
  culprit who;
  void* frames[most_frames];
  unsigned frame_count = 0;
  bool complete = false;  // else the innermost frame at most
};

// Whose flow runs on the identity with this state, inside a turn of its hub.
culprit who_runs(const thread_state& state);

// Loads what the handler needs. Returns 0 or an error number. Once.
int prepare();

enum class outcome {
  found,
  over,       // the turn has ended, or runs on another kernel thread by now
  unanswered  // `frames` has what could be seen from outside; `who` is not known
};
// By the watchdog alone: looks at the kernel thread `tid`, on which `hub` should be in its turn
// `turn`.
outcome look(int tid, const light_hub& hub, uint64_t turn, finding& result);

// Signal 33's handler asks.
void answer(ucontext_t& frame);

// In a forked child.
void forget();

}  // namespace inquiry
}  // namespace vervet
