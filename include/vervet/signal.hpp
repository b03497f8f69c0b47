// Signals: signal_watcher, signals::wait.
#pragma once

#include <array>
#include <atomic>
#include <cerrno>
#include <concepts>
#include <csignal>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <utility>

#include <sys/signalfd.h>
#include <unistd.h>

#include <vervet/detail/signal_notice.hpp>
#include <vervet/detail/uncut.hpp>
#include <vervet/fd.hpp>
#include <vervet/fiber.hpp>
#include <vervet/time.hpp>

namespace vervet {

// A signal_watcher calls callback(signo) for a signal, as long as it lives: in a fiber, on the hub
// of the thread that made it (while that waits), so that it may wait and use everything of this
// library, as gevent's signal_handler does.
//
//     signal_watcher term(SIGTERM, [&](int) { server.stop(5s); });
//
// The first watcher of a signal installs a handler (SA_RESTART), the last one restores what was
// there before. All watchers of a signal are called. Signals that come faster than a callback ends
// are one, as the kernel has it; a callback never runs beside itself (gevent's may).
// What leaves the callback ends the watching, and is reported as for any fiber.
// Any thread may get the signal, masks need no care. Calls in progress go on.
//
// Inside run(), the watcher must be gone before run() can return. Neither copyable nor movable. The
// destructor ends a callback that waits (cut_short) and waits for that; it must not be called by
// it.
class signal_watcher {
 public:
  // Throws std::system_error: invalid_argument (no signal, SIGKILL, SIGSTOP), too_many_files_open,
  // resource_unavailable_try_again (64 watchers at a time). REQUIRES: no signal of a fault (SIGSEGV
  // …).
  template <std::invocable<int> Callback>
  signal_watcher(int signo, Callback callback) : notice_(signo) {
    fiber_ = spawn({.name = "signal"}, [this, callback = std::move(callback)]() mutable {
      for (;;) {
        notice_.wait({});
        callback(notice_.signo());
      }
    });
  }
  ~signal_watcher() {
    detail::uncut shield;
    fiber_.kill();
  }
  signal_watcher(const signal_watcher&) = delete;
  signal_watcher& operator=(const signal_watcher&) = delete;

 private:
  detail::signal_notice notice_;
  fiber<> fiber_;
};

namespace signals {

namespace detail {

// Blocks signals in the calling thread while it lives, for all of its fibers: what one blocks,
// another that ends earlier must not unblock.
class blocking {
 public:
  explicit blocking(const sigset_t& set) : set_(set) {
    sigset_t now;
    pthread_sigmask(SIG_BLOCK, nullptr, &now);
    for (int s = 1; s < NSIG; ++s) {
      if (sigismember(&set_, s) != 1) continue;
      if (counts()[s] == 0 && sigismember(&now, s) == 1)
        sigdelset(&set_, s);  // the program's own doing
      else
        ++counts()[s];
    }
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  ~blocking() {
    for (int s = 1; s < NSIG; ++s)
      if (sigismember(&set_, s) == 1 && --counts()[s] != 0) sigdelset(&set_, s);
    pthread_sigmask(SIG_UNBLOCK, &set_, nullptr);
  }
  blocking(const blocking&) = delete;
  blocking& operator=(const blocking&) = delete;

 private:
  // How many of the thread's fibers have it blocked.
  static std::array<unsigned, NSIG>& counts() noexcept {
    static thread_local std::array<unsigned, NSIG> of_thread{};
    return of_thread;
  }

  sigset_t set_;
};

}  // namespace detail

// wait() waits for one of the signals and takes it, with all that the kernel tells (si.ssi_signo,
// ssi_pid …): sigtimedwait(), for fibers. One that is pending is taken at once. Nothing if none
// came by `until`.
//
// While it waits the signals are blocked in the calling thread, and no longer afterwards. As for
// sigwait() they must be blocked in all other threads too, or one of those is interrupted instead:
// block them in main() before anything starts a thread; then they also stay pending between two
// waits. Not inside run(), whose kernel threads have masks of their own: there, and for signals
// that are not blocked everywhere, use a signal_watcher. Parks the calling fiber, or the OS thread.
// Throws cut_short; std::system_error.
inline std::optional<signalfd_siginfo> wait(const sigset_t& set, deadline until = {}) {
  detail::blocking blocked(set);
  int number = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (number < 0) vervet::detail::throw_errno(errno, "vervet: signals");
  fd signals(number);
  signalfd_siginfo si{};
  try {
    signals.read_some({&si, sizeof si}, until);
  } catch (const timed_out&) {
    return std::nullopt;
  }
  return si;
}
inline std::optional<signalfd_siginfo> wait(std::initializer_list<int> signos,
                                            deadline until = {}) {
  sigset_t set;
  sigemptyset(&set);
  for (int signo : signos)
    if (sigaddset(&set, signo) != 0) vervet::detail::throw_errno(EINVAL, "vervet: signals");
  return wait(set, until);
}

}  // namespace signals
}  // namespace vervet
