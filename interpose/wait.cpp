// Waiting for children. One child that ends: its pidfd, which is pollable. Any of several, or stops
// too: SIGCHLD tells when to look again. Where SIGCHLD does not tell all (it is ignored or blocked,
// or the program asked not to hear of stops), we look again by ourselves, less and less often.
#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/process.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

// Sleeps until a child's state may have changed.
class child_watch {
 public:
  // `single` is the child if exactly one can end the wait, else zero.
  child_watch(pid_t single, bool stops_too)
      : single_(stops_too ? 0 : single), stops_too_(stops_too) {}
  ~child_watch() { close(); }
  child_watch(const child_watch&) = delete;
  child_watch& operator=(const child_watch&) = delete;

  // Before the kernel is asked: what happens afterwards is noticed.
  void listen() {
    seen_ = signals::child_events.load(std::memory_order_seq_cst);
    if (single_ == 0) {
      announced_ = threads_are_fibers() && signals::announce_children(stops_too_);
      return;
    }
    if (fd_ >= 0) return;
    long fd = sys::call(SYS_pidfd_open, single_, 0);
    if (fd < 0) {
      single_ = 0;
      return listen();
    }
    fd_ = sys::move_high(static_cast<int>(fd));
  }

  enum class ended : uint8_t { perhaps_changed, interrupted, cut };

  ended sleep(bool cancellable) {
    wait_class interruptible = cancellable ? wait_class::fallible : wait_class::signals;
    if (single_ != 0) {
      wait_options options{.interruptible = interruptible};
      switch (wait_ready(fd_, EPOLLIN, wait_for::process, never, options)) {
        case readiness::interrupted: return ended::interrupted;
        case readiness::cut: return ended::cut;
        default: return ended::perhaps_changed;
      }
    }
    auto unchanged = [this] {
      return signals::child_events.load(std::memory_order_seq_cst) == seen_;
    };
    lot::request r{.address = &signals::child_events,
                   .what = wait_for::process,
                   .until = announced_ ? never : after(pause_),
                   .interruptible = interruptible,
                   .validate = unchanged};
    constexpr int64_t longest_pause = 50'000'000;
    if (!announced_ && pause_ < longest_pause) pause_ *= 2;
    switch (lot::park(r)) {
      case lot::outcome::interrupted: return ended::interrupted;
      case lot::outcome::cut: return scope::due() ? ended::cut : ended::perhaps_changed;
      default: return ended::perhaps_changed;
    }
  }

  void close() { close_waited(fd_); }

 private:
  pid_t single_;
  bool stops_too_;
  bool announced_ = false;
  int fd_ = -1;
  uint32_t seen_ = 0;
  int64_t pause_ = 1'000'000;
};

// Calls look(), which asks the kernel without waiting, until answered(its result).
template <typename Look, typename Answered>
long look_until(child_watch& watch, bool cancellable, Look look, Answered answered) {
  if (cancellable) cancellation_point();
  long result = look();
  while (!answered(result)) {
    watch.listen();
    result = look();
    if (answered(result)) break;
    child_watch::ended slept = watch.sleep(cancellable);
    if (slept == child_watch::ended::perhaps_changed) continue;
    if (slept == child_watch::ended::cut) return -ECANCELED;
    watch.close();  // program code runs, and may not come back
    bool fails = handle_interruption(cancellable) == interruption::fail;
    result = look();
    if (fails && !answered(result)) return -EINTR;
  }
  // The handler for SIGCHLD has run by the time that the program hears of the child.
  if (!sys::failed(result) && threads_are_fibers() && thread::self() != nullptr)
    signals::catch_up(*thread::self());
  return result;
}

constexpr int stop_options = WUNTRACED | WCONTINUED;

}  // namespace

namespace vervet::interpose {

long wait_for_child(pid_t pid, int* status, int options, rusage* usage, bool cancellable) {
  auto look = [=] {
    return sys::call(SYS_wait4, pid, sys::word(status), options | WNOHANG, sys::word(usage));
  };
  if ((options & WNOHANG) != 0) return look();
  child_watch watch(pid > 0 ? pid : 0, (options & stop_options) != 0);
  return look_until(watch, cancellable, look, [](long result) { return result != 0; });
}

}  // namespace vervet::interpose

EXPORT pid_t wait4(pid_t pid, int* status, int options, rusage* usage) noexcept {
  if (!on_fiber()) return real().wait4(pid, status, options, usage);
  runtime_scope scope;
  return static_cast<pid_t>(result_of(wait_for_child(pid, status, options, usage)));
}

EXPORT pid_t waitpid(pid_t pid, int* status, int options) {
  if (!on_fiber()) return real().waitpid(pid, status, options);
  return wait4(pid, status, options, nullptr);
}

EXPORT pid_t wait(int* status) {
  if (!on_fiber()) return real().wait(status);
  return wait4(-1, status, 0, nullptr);
}

EXPORT pid_t wait3(int* status, int options, rusage* usage) noexcept {
  if (!on_fiber()) return real().wait3(status, options, usage);
  return wait4(-1, status, options, usage);
}

EXPORT int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
  if (!on_fiber()) return real().waitid(type, id, info, options);
  runtime_scope scope;
  siginfo_t found;
  auto look = [&] {
    found.si_pid = 0;
    return sys::call(SYS_waitid, type, static_cast<long>(id), sys::word(&found), options | WNOHANG,
                     0);
  };
  child_watch watch(type == P_PID ? static_cast<pid_t>(id) : 0,
                    (options & (WSTOPPED | WCONTINUED)) != 0);
  bool at_once_only = (options & WNOHANG) != 0;
  long result = look_until(watch, true, look, [&](long answer) {
    return answer != 0 || found.si_pid != 0 || at_once_only;
  });
  if (result == 0 && info != nullptr) *info = found;
  return static_cast<int>(result_of(result));
}
