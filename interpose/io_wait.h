// The inside of a blocking call: try without waiting, park until it may succeed, try again.
#pragma once

#include <errno.h>
#include <poll.h>

#include "interpose/io_descriptor.h"

namespace vervet::interpose::io {

// One blocking call on one descriptor.
struct operation {
  static constexpr deadline unset = -1;

  int fd;
  descriptor& d;
  uint32_t events;         // EPOLLIN or EPOLLOUT
  int64_t timeout = 0;     // for the whole call, in ns; 0: none
  deadline until = unset;  // the same, once it has waited
  bool moved = false;      // some data went: a handler that runs now ends the call
  unsigned rounds = 0;     // of back_off()

  bool reads() const { return events == EPOLLIN; }
  const direction& way() const { return reads() ? reading_direction : writing_direction; }
  wait_for what() const { return reads() ? wait_for::readable : wait_for::writable; }
};

inline operation reading(int fd, descriptor& d) {
  return {fd, d, EPOLLIN, d.receive_timeout.load(std::memory_order_relaxed)};
}
inline operation writing(int fd, descriptor& d) {
  return {fd, d, EPOLLOUT, d.send_timeout.load(std::memory_order_relaxed)};
}

// The program made it non-blocking, as far as we can know: the call goes to the kernel as it is.
// A shared description is asked each time, in wait().
inline bool never_waits(const descriptor& d) {
  return d.nonblocking.load(std::memory_order_relaxed) && !d.shared.load(std::memory_order_relaxed);
}

// Counts a call that goes to the kernel as it is, for --stats. Returns `passes`.
inline bool counted(bool passes) {
  fiber* self = thread::self();
  if (passes && self != nullptr) ++self->on->count.passthroughs;
  return passes;
}

// What each call here that is a cancellation point begins with. A call that never finds anything to
// wait for (a fast peer, an event loop that spins) must not keep the worker from others for ever.
inline void start_call() {
  cancellation_point();
  scheduler::give_way();
}

// The same where trying must not wait either.
inline bool never_waits(int fd, const descriptor& d) {
  if (!d.nonblocking.load(std::memory_order_relaxed)) return false;
  return !d.shared.load(std::memory_order_relaxed) || kernel_nonblocking(fd);
}

// Parks until the operation may succeed. 0: try again. Else the error it ends with: EAGAIN (its
// timeout passed, or the description is non-blocking), EINTR, EBADF (closed meanwhile), ECANCELED
// (cut). `tries`: if 0 the caller tries at once, whatever the readiness bit says (wait_options).
long wait(operation& op, bool tries = false);

// A system call that nothing tells the end of in advance: on a file, or where poll() may be wrong.
// No lock of ours may be held.
inline long lasting_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                         long f = 0) {
  program_scope outside;
  return sys::call(number, a, b, c, d, e, f);
}

// Sleeps a little, longer each round, for what no event tells of. Results as wait().
long back_off(operation& op);
long back_off(unsigned& rounds, wait_for what, deadline until, bool restarts);

// Waits until poll(2) says that the operation may succeed. 0 or the error it ends with.
long wait_until_possible(operation& op);

// Runs what is due. 0 if the call goes on, else -EINTR.
long after_interruption(bool restarts);

// A wait was cut: -ECANCELED, or 0 if that was meant for an earlier one.
inline long after_cut() { return scope::due() ? -ECANCELED : 0; }

// What poll(2) says of one descriptor at this moment: its revents for `events`.
short look(int fd, short events);
inline bool looks_possible(const operation& op) {
  return look(op.fd, op.reads() ? POLLIN : POLLOUT) != 0;
}

inline bool worth_trying(const operation& op) { return worth_trying(op.d, op.way()); }
inline void begin(const operation& op) { begin_try(op.d, op.way()); }
inline void leave_rest(const operation& op) { leave_rest(op.d, op.way()); }

// Only plain TCP proves by moving less than it could that nothing is left, and not near its end.
inline bool short_means_empty(const operation& op) {
  return is_kind(op.d, descriptor_kind::tcp) &&
         (op.d.ready.load(std::memory_order_seq_cst) & descriptor::irregular) == 0;
}

// After a try that moved `moved` bytes of `wanted`, or failed. EAGAIN: nothing was there and
// nothing is left, or less than SO_RCVLOWAT asks for.
inline void settle(const operation& op, long moved, size_t wanted) {
  if (moved == -EAGAIN && op.d.low_water.load(std::memory_order_relaxed) == 0) return;
  bool empty = moved > 0 && static_cast<size_t>(moved) < wanted && short_means_empty(op);
  if (!empty) leave_rest(op);
}

// Calls `call` until it says something other than EAGAIN. The result is the call's (then settle()
// or leave_rest() is owed) or that of wait() (then it is not, but does no harm).
template <typename Call>
long attempt(operation& op, Call call) {
  for (bool tries = worth_trying(op);; tries = true) {
    if (tries) {
      long result = try_call(op.d, op.way(), call, [](long r) { return r == -EAGAIN; });
      if (result != -EAGAIN) return result;
    }
    long error = wait(op, true);
    if (error != 0) return error;
  }
}

}  // namespace vervet::interpose::io
