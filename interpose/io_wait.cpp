#include "interpose/io_wait.h"

namespace vervet::interpose::io {
namespace {

void start_clock(operation& op) {
  if (op.until == operation::unset) op.until = op.timeout == 0 ? never : after(op.timeout);
}

// Like the kernel, which does not restart what has a timeout or has moved data.
bool restarts(const operation& op) { return op.timeout == 0 && !op.moved; }

// A datagram socket of AF_UNIX whose peer's queue is full may look writable all the same.
bool events_tell(const operation& op) {
  if (op.reads() || !is_kind(op.d, descriptor_kind::datagram)) return true;
  return !looks_possible(op);
}

}  // namespace

long wait(operation& op, bool tries) {
  if (op.d.shared.load(std::memory_order_relaxed) && kernel_nonblocking(op.fd)) return -EAGAIN;
  if (!events_tell(op)) return back_off(op);
  start_clock(op);
  switch (wait_ready(op.fd, op.d, op.events, op.what(), op.until, {.tries = tries})) {
    case readiness::ready: return 0;
    case readiness::timed_out: return -EAGAIN;
    case readiness::closed: return -EBADF;
    case readiness::interrupted: return after_interruption(restarts(op));
    case readiness::cut: return -ECANCELED;
    case readiness::unpollable: break;
  }
  return back_off(op);
}

long back_off(operation& op) {
  start_clock(op);
  return back_off(op.rounds, op.what(), op.until, restarts(op));
}

long back_off(unsigned& rounds, wait_for what, deadline until, bool restarts) {
  constexpr int64_t first_pause = 100'000;
  constexpr unsigned most_doublings = 7;
  deadline pause = after(first_pause << (rounds < most_doublings ? rounds : most_doublings));
  ++rounds;
  lot::request sleep{.address = &pause,
                     .what = what,
                     .until = pause < until ? pause : until,
                     .interruptible = wait_class::fallible};
  lot::outcome outcome = lot::park(sleep);
  if (outcome == lot::outcome::interrupted) return after_interruption(restarts);
  if (outcome == lot::outcome::cut) return after_cut();
  return pause < until ? 0 : -EAGAIN;
}

long wait_until_possible(operation& op) {
  long result = attempt(op, [&]() -> long { return looks_possible(op) ? 0 : -EAGAIN; });
  leave_rest(op);
  return result;
}

long after_interruption(bool restarts) {
  switch (handle_interruption(true)) {
    case interruption::nothing: return 0;
    case interruption::restart: return restarts ? 0 : -EINTR;
    case interruption::fail: break;
  }
  return -EINTR;
}

short look(int fd, short events) {
  pollfd one{fd, events, 0};
  return sys::call(SYS_poll, sys::word(&one), 1, 0) == 1 ? one.revents : 0;
}

}  // namespace vervet::interpose::io
