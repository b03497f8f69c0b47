// From a signal handler to a waiting fiber. Not for direct use.
//
// The handler may run on any thread at any time, also while a notice comes or goes. So what it
// touches never goes away: each of the process's slots keeps its eventfd for good, and a late write
// to one is told from a signal by the signal's count.
#pragma once

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>
#include <system_error>

#include <sys/eventfd.h>
#include <unistd.h>

#include <vervet/abi.h>
#include <vervet/detail/descriptor.hpp>
#include <vervet/detail/guard_lock.hpp>
#include <vervet/error.hpp>
#include <vervet/time.hpp>

namespace vervet::detail {

struct signal_slot {
  std::atomic<int> signo{0};  // 0: free
  int eventfd = -1;           // made once; read by the handler if signo is set
};

class signal_notice {
 public:
  // Throws std::system_error.
  explicit signal_notice(int signo) : signo_(signo) {
    if (signo <= 0 || signo >= NSIG) throw_errno(EINVAL, "vervet: signal_watcher");
    std::lock_guard guard(lock);
    slot_ = free_slot();
    seen_ = came[signo].load();
    slot_->signo.store(signo);
    if (watchers[signo]++ != 0) return;
    struct sigaction action {};
    action.sa_handler = note;
    action.sa_flags = SA_RESTART;
    sigfillset(&action.sa_mask);
    if (::sigaction(signo, &action, &before[signo]) == 0) return;
    --watchers[signo];
    slot_->signo.store(0);
    throw_errno(errno, "vervet: signal_watcher");
  }
  ~signal_notice() {
    std::lock_guard guard(lock);
    slot_->signo.store(0);
    if (--watchers[signo_] == 0) ::sigaction(signo_, &before[signo_], nullptr);
  }
  signal_notice(const signal_notice&) = delete;
  signal_notice& operator=(const signal_notice&) = delete;

  int signo() const noexcept { return signo_; }

  // Until the signal has come since the last wait(). Throws timed_out, cut_short.
  void wait(deadline until) {
    for (;;) {
      unsigned now = came[signo_].load();
      if (now != seen_) {
        seen_ = now;
        return;
      }
      check_wait(vervet_wait_fd(slot_->eventfd, VERVET_READABLE, until.monotonic()),
                 "vervet: signal");
      eventfd_t count;
      static_cast<void>(::eventfd_read(slot_->eventfd, &count));
    }
  }

 private:
  static void note(int signo) {
    int error = errno;
    came[signo].fetch_add(1);
    for (signal_slot& s : slots)
      if (s.signo.load() == signo) static_cast<void>(::eventfd_write(s.eventfd, 1));
    errno = error;
  }

  // REQUIRES: lock.
  static signal_slot* free_slot() {
    for (signal_slot& s : slots) {
      if (s.signo.load() != 0) continue;
      if (s.eventfd < 0) s.eventfd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (s.eventfd < 0) throw_errno(errno, "vervet: signal_watcher");
      return &s;
    }
    throw_errno(EAGAIN, "vervet: signal_watcher");
  }

  static inline signal_slot slots[64];
  static inline std::atomic<unsigned> came[NSIG];
  // Guarded by `lock`, but for the slots' atomics.
  static inline guard_lock lock;
  static inline unsigned watchers[NSIG];
  static inline struct sigaction before[NSIG];

  int signo_;
  signal_slot* slot_;
  unsigned seen_;
};

}  // namespace vervet::detail
