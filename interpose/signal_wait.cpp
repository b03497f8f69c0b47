// Waiting for signals: sigsuspend and pause until a handler ran, sigwait and its kin for the signal
// itself.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"
#include "interpose/signal_set.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

fiber& self() { return *thread::self(); }

signal_set present_mask() { return self().thread.signal_mask.load(std::memory_order_relaxed); }

// -1 and EINTR once a handler has run.
int suspend(signal_set mask) {
  {
    runtime_scope scope;
    cancellation_point();
    signals::suspend(self(), mask);
  }
  errno = EINTR;
  return -1;
}

// The signal's number or a negated error number.
int await(const sigset_t* set, siginfo_t* info, deadline until) {
  runtime_scope scope;
  cancellation_point();
  int number = signals::await(self(), *kernel_set(set), info, until);
  // As libc hides it: a thread was meant.
  if (number > 0 && info != nullptr && info->si_code == SI_TKILL) info->si_code = SI_USER;
  return number;
}

signal_set without(signal_set set, int number) { return set & ~signal_bit(number); }

}  // namespace

EXPORT int sigsuspend(const sigset_t* mask) {
  if (!on_thread_fiber()) return real().sigsuspend(mask);
  return suspend(*kernel_set(mask));
}

EXPORT int pause() {
  if (!on_thread_fiber()) return real().pause();
  return suspend(present_mask());
}

EXPORT int __xpg_sigpause(int number) {
  if (!on_thread_fiber()) return real().__xpg_sigpause(number);
  if (!valid_signal(number)) return static_cast<int>(result_of(-EINVAL));
  return suspend(without(present_mask(), number));
}

// BSD's form. The headers give the name to X/Open's, hence the label.
extern "C" __attribute__((visibility("default"), used)) int bsd_sigpause(int mask) asm("sigpause");
int bsd_sigpause(int mask) {
  if (!on_thread_fiber()) return real().sigpause(mask);
  return suspend(static_cast<unsigned>(mask));
}

EXPORT int __sigpause(int signal_or_mask, int is_signal) {
  return is_signal != 0 ? __xpg_sigpause(signal_or_mask) : bsd_sigpause(signal_or_mask);
}

EXPORT int sigwait(const sigset_t* set, int* number) {
  if (!on_thread_fiber()) return real().sigwait(set, number);
  int taken;
  do {
    taken = await(set, nullptr, never);
  } while (taken == -EINTR);
  if (taken < 0) return -taken;
  *number = taken;
  return 0;
}

EXPORT int sigwaitinfo(const sigset_t* set, siginfo_t* info) {
  if (!on_thread_fiber()) return real().sigwaitinfo(set, info);
  return static_cast<int>(result_of(await(set, info, never)));
}

EXPORT int sigtimedwait(const sigset_t* set, siginfo_t* info, const timespec* timeout) {
  if (!on_thread_fiber()) return real().sigtimedwait(set, info, timeout);
  deadline until = never;
  if (timeout != nullptr) {
    if (timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= 1'000'000'000)
      return static_cast<int>(result_of(-EINVAL));
    int64_t span = nanoseconds_of(*timeout);
    until = span == 0 ? at_once : after(span);
  }
  return static_cast<int>(result_of(await(set, info, until)));
}
