// Actions, masks and sending. What they do to fibers is runtime/signal.h's.
#include "interpose/io.h"
#include "interpose/real.h"
#include "interpose/dormant.h"
#include "interpose/signal_set.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

fiber& self() { return *thread::self(); }

signal_set present_mask() { return self().thread.signal_mask.load(std::memory_order_relaxed); }

// The signals for which siginterrupt() asked that signal() installs handlers without SA_RESTART.
std::atomic<signal_set> interrupting{0};

int set_action(int number, const struct sigaction* fresh, struct sigaction* old) {
  runtime_scope scope;
  kernel_action wanted{};
  kernel_action before{};
  if (fresh != nullptr) {
    wanted.handler = reinterpret_cast<void*>(fresh->sa_handler);
    wanted.flags = static_cast<unsigned>(fresh->sa_flags) | flag_restorer;
    wanted.restorer = signal_restorer();
    wanted.mask = *kernel_set(&fresh->sa_mask);
  }
  int error = signals::action(number, fresh != nullptr ? &wanted : nullptr, &before);
  if (error == 0 && old != nullptr) {
    old->sa_handler = reinterpret_cast<sighandler_t>(before.handler);
    old->sa_flags = static_cast<int>(before.flags);
    old->sa_restorer = reinterpret_cast<void (*)()>(before.restorer);
    *kernel_set(&old->sa_mask) = before.mask;
  }
  return static_cast<int>(result_of(error));
}

// What signal() and its kin have in common: the previous handler, or SIG_ERR.
sighandler_t set_handler(int number, sighandler_t handler, int flags, signal_set mask) {
  struct sigaction fresh {};
  struct sigaction old {};
  fresh.sa_handler = handler;
  fresh.sa_flags = flags;
  *kernel_set(&fresh.sa_mask) = mask;
  if (handler == SIG_ERR || !valid_signal(number)) {
    errno = EINVAL;
    return SIG_ERR;
  }
  return set_action(number, &fresh, &old) == 0 ? old.sa_handler : SIG_ERR;
}

int change_mask(int how, const sigset_t* set, sigset_t* old) {
  runtime_scope scope;
  signal_set before = present_mask();
  if (set != nullptr) {
    signal_set bits = *kernel_set(set);
    if (how == SIG_BLOCK)
      bits |= before;
    else if (how == SIG_UNBLOCK)
      bits = before & ~bits;
    else if (how != SIG_SETMASK)
      return EINVAL;
    signals::set_mask(self(), bits);
  }
  if (old != nullptr) *kernel_set(old) = before;
  return 0;
}

// Blocks or unblocks one signal; -1 and EINVAL if there is no such signal.
int change_one(int how, int number) {
  if (!valid_signal(number)) return static_cast<int>(result_of(-EINVAL));
  sigset_t set;
  *kernel_set(&set) = signal_bit(number);
  return change_mask(how, &set, nullptr);
}

siginfo_t from_self(int number, int code) {
  siginfo_t info{};
  info.si_signo = number;
  info.si_code = code;
  info.si_pid = static_cast<pid_t>(sys::getpid());
  info.si_uid = static_cast<uid_t>(sys::call(SYS_getuid));
  return info;
}

bool sendable(int number) { return number >= 0 && number <= 64 && number != 32 && number != 33; }

// An error number. `code` as the kernel tells it to the receiver.
int send(fiber* target, int number, int code, sigval value) {
  if (!sendable(number)) return EINVAL;
  if (number == 0) return 0;
  runtime_scope scope;
  siginfo_t info = from_self(number, code);
  if (code == SI_QUEUE) info.si_value = value;
  return -signals::send_to(*target, info);
}

int send_to_own_process(int number, int code, sigval value) {
  runtime_scope scope;
  siginfo_t info = from_self(number, code);
  if (code == SI_QUEUE) info.si_value = value;
  return static_cast<int>(result_of(signals::send_to_process(info)));
}

bool is_own_process(pid_t pid, int number) {
  return number != 0 && pid == static_cast<pid_t>(sys::getpid());
}

}  // namespace

// ---- actions

EXPORT int sigaction(int number, const struct sigaction* fresh, struct sigaction* old) noexcept {
  if (!threads_are_fibers()) return real().sigaction(number, fresh, old);
  return set_action(number, fresh, old);
}

EXPORT sighandler_t signal(int number, sighandler_t handler) noexcept {
  if (!threads_are_fibers()) return real().signal(number, handler);
  bool interrupts = valid_signal(number) && (interrupting & signal_bit(number)) != 0;
  return set_handler(number, handler, interrupts ? 0 : SA_RESTART,
                     valid_signal(number) ? signal_bit(number) : 0);
}

EXPORT sighandler_t __sysv_signal(int number, sighandler_t handler) noexcept {
  if (!threads_are_fibers()) return real().__sysv_signal(number, handler);
  return set_handler(number, handler, static_cast<int>(SA_RESETHAND | SA_NODEFER), 0);
}

EXPORT int siginterrupt(int number, int interrupts) noexcept {
  if (valid_signal(number)) {
    if (interrupts != 0)
      interrupting |= signal_bit(number);
    else
      interrupting &= ~signal_bit(number);
  }
  if (!threads_are_fibers()) return real().siginterrupt(number, interrupts);
  struct sigaction a;
  if (set_action(number, nullptr, &a) != 0) return -1;
  a.sa_flags = interrupts != 0 ? a.sa_flags & ~SA_RESTART : a.sa_flags | SA_RESTART;
  return set_action(number, &a, nullptr);
}

EXPORT sighandler_t sigset(int number, sighandler_t handler) noexcept {
  if (!on_thread_fiber()) return real().sigset(number, handler);
  if (!valid_signal(number) || handler == SIG_ERR) {
    errno = EINVAL;
    return SIG_ERR;
  }
  bool was_held = (present_mask() & signal_bit(number)) != 0;
  struct sigaction old;
  if (handler == SIG_HOLD) {
    if (set_action(number, nullptr, &old) != 0) return SIG_ERR;
    change_one(SIG_BLOCK, number);
    return was_held ? SIG_HOLD : old.sa_handler;
  }
  sighandler_t before = set_handler(number, handler, 0, 0);
  if (before == SIG_ERR) return SIG_ERR;
  change_one(SIG_UNBLOCK, number);
  return was_held ? SIG_HOLD : before;
}

EXPORT int sigignore(int number) noexcept {
  if (!threads_are_fibers()) return real().sigignore(number);
  return set_handler(number, SIG_IGN, 0, 0) == SIG_ERR ? -1 : 0;
}

EXPORT int sigaltstack(const stack_t* fresh, stack_t* old) noexcept {
  if (!on_thread_fiber()) return real().sigaltstack(fresh, old);
  runtime_scope scope;
  return static_cast<int>(result_of(signals::alternate_stack(self(), fresh, old)));
}

// ---- masks

EXPORT int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) noexcept {
  if (!on_thread_fiber()) return real().pthread_sigmask(how, set, old);
  return change_mask(how, set, old);
}

EXPORT int sigprocmask(int how, const sigset_t* set, sigset_t* old) noexcept {
  if (!on_thread_fiber()) return real().sigprocmask(how, set, old);
  return static_cast<int>(result_of(-change_mask(how, set, old)));
}

EXPORT int sighold(int number) noexcept {
  if (!on_thread_fiber()) return real().sighold(number);
  return change_one(SIG_BLOCK, number);
}

EXPORT int sigrelse(int number) noexcept {
  if (!on_thread_fiber()) return real().sigrelse(number);
  return change_one(SIG_UNBLOCK, number);
}

// BSD's masks are an int: the first 32 signals.
EXPORT int sigblock(int mask) noexcept {
  if (!on_thread_fiber()) return real().sigblock(mask);
  runtime_scope scope;
  signal_set before = present_mask();
  signals::set_mask(self(), before | static_cast<unsigned>(mask));
  return static_cast<int>(before);
}

EXPORT int sigsetmask(int mask) noexcept {
  if (!on_thread_fiber()) return real().sigsetmask(mask);
  runtime_scope scope;
  signal_set before = present_mask();
  signals::set_mask(self(), static_cast<unsigned>(mask));
  return static_cast<int>(before);
}

EXPORT int siggetmask() noexcept {
  if (!on_thread_fiber()) return real().siggetmask();
  return static_cast<int>(present_mask());
}

EXPORT int sigpending(sigset_t* set) noexcept {
  if (!on_thread_fiber()) return real().sigpending(set);
  runtime_scope scope;
  *kernel_set(set) = signals::pending_for(self());
  return 0;
}

// ---- sending

EXPORT int raise(int number) noexcept {
  if (!on_thread_fiber()) return real().raise(number);
  if (number == 0) return 0;
  return static_cast<int>(result_of(-send(&self(), number, SI_TKILL, {})));
}

EXPORT int pthread_kill(pthread_t handle, int number) noexcept {
  fiber* target = threads_are_fibers() ? thread::of(handle) : nullptr;
  if (target == nullptr) return real().pthread_kill(handle, number);
  return send(target, number, SI_TKILL, {});
}

EXPORT int pthread_sigqueue(pthread_t handle, int number, const sigval value) noexcept {
  fiber* target = threads_are_fibers() ? thread::of(handle) : nullptr;
  if (target == nullptr) return real().pthread_sigqueue(handle, number, value);
  return send(target, number, SI_QUEUE, value);
}

EXPORT int tgkill(pid_t group, pid_t id, int number) {
  if (!threads_are_fibers() || id <= 0 || group != static_cast<pid_t>(sys::getpid()))
    return real().tgkill(group, id, number);
  fiber* target = thread::by_id(static_cast<uint32_t>(id));
  if (target == nullptr) return real().tgkill(group, id, number);
  return static_cast<int>(result_of(-send(target, number, SI_TKILL, {})));
}

// A fiber that sends to its own process must find the handler to have run, if it is the one to run
// it.
EXPORT int kill(pid_t pid, int number) noexcept {
  if (!on_thread_fiber() || !is_own_process(pid, number)) return real().kill(pid, number);
  return send_to_own_process(number, SI_USER, {});
}

EXPORT int sigqueue(pid_t pid, int number, const sigval value) noexcept {
  if (!on_thread_fiber() || !is_own_process(pid, number)) return real().sigqueue(pid, number, value);
  return send_to_own_process(number, SI_QUEUE, value);
}
