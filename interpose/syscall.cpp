// syscall(): the door by which programs reach the kernel past libc's functions. Futexes wait in the
// lot; what we replace elsewhere goes to the replacement; the rest goes to the kernel.
#include "interpose/dormant.h"
#include "interpose/futex.h"
#include "interpose/real.h"
#include "interpose/uring.h"
#include "interpose/wire.h"
#include "runtime/door.h"

#include <linux/io_uring.h>
#include <stdarg.h>

namespace vervet::interpose {
namespace {

struct arguments {
  long a, b, c, d, e, f;
  template <typename T>
  static T* pointer(long value) {
    return reinterpret_cast<T*>(value);
  }
};

// The kernel's result in libc's form.
long posix_result(long raw) {
  if (!sys::failed(raw)) return raw;
  errno = static_cast<int>(-raw);
  return -1;
}

// The result of those few libc functions that return the error number.
long from_error(int error) { return posix_result(-error); }

// The functions behind the replaced names are cancellation points; syscall() is none.
class no_cancellation {
 public:
  no_cancellation() { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &kept_); }
  ~no_cancellation() { pthread_setcancelstate(kept_, nullptr); }
  no_cancellation(const no_cancellation&) = delete;
  no_cancellation& operator=(const no_cancellation&) = delete;

 private:
  int kept_;
};

long futex_of(const arguments& x) {
  return posix_result(futex({
      .word = x.pointer<uint32_t>(x.a),
      .operation = static_cast<int>(x.b),
      .value = static_cast<uint32_t>(x.c),
      .fourth = x.d,
      .second_word = x.pointer<uint32_t>(x.e),
      .third_value = static_cast<uint32_t>(x.f),
  }));
}

// The kernel's signal sets are shorter than libc's.
struct signal_set {
  explicit signal_set(const void* kernel_set) : given(kernel_set != nullptr) {
    sigemptyset(&set);
    if (given) __builtin_memcpy(&set, kernel_set, sizeof(uint64_t));
  }
  const sigset_t* get() const { return given ? &set : nullptr; }
  sigset_t set;
  bool given;
};

long mask_of(const arguments& x) {
  if (x.d != sizeof(uint64_t)) return posix_result(-EINVAL);
  signal_set asked(x.pointer<void>(x.b));
  sigset_t old;
  int error = pthread_sigmask(static_cast<int>(x.a), asked.get(), &old);
  if (error == 0 && x.c != 0) __builtin_memcpy(x.pointer<void>(x.c), &old, sizeof(uint64_t));
  return from_error(error);
}

long pselect_of(const arguments& x) {
  struct kernel_mask {
    const void* set;
    size_t size;
  };
  auto* mask = x.pointer<const kernel_mask>(x.f);
  signal_set asked(mask == nullptr ? nullptr : mask->set);
  return pselect(static_cast<int>(x.a), x.pointer<fd_set>(x.b), x.pointer<fd_set>(x.c),
                 x.pointer<fd_set>(x.d), x.pointer<const timespec>(x.e), asked.get());
}

// A wait for completions: submits first, parks until there is one, and leaves the counting of more
// to the kernel.
long enter_ring(const arguments& x) {
  auto waits_for_ever = [&] {
    constexpr long plain = IORING_ENTER_GETEVENTS;
    return on_fiber() && x.c != 0 && x.d == plain && x.e == 0;
  };
  auto submitted = long{0};
  if (waits_for_ever()) {
    if (x.b != 0) {
      submitted = sys::call(SYS_io_uring_enter, x.a, x.b, 0, 0, 0, 0);
      if (submitted < x.b) return posix_result(submitted);
    }
    long waited = uring_wait(static_cast<int>(x.a));
    if (waited == 0) waited = sys::call(SYS_io_uring_enter, x.a, 0, x.c, x.d, 0, 0);
    return posix_result(sys::failed(waited) && submitted == 0 ? waited : submitted);
  }
  return posix_result(sys::call(SYS_io_uring_enter, x.a, x.b, x.c, x.d, x.e, x.f));
}

long set_up_ring(const arguments& x) {
  uring_will_be_made(x.pointer<io_uring_params>(x.b));
  long fd = sys::call(SYS_io_uring_setup, x.a, x.b);
  runtime_scope scope;
  if (!sys::failed(fd)) uring_made(static_cast<int>(fd));
  return posix_result(fd);
}

// Waiting and transfer: each may park. True if `number` is one of them.
bool waits(long number, const arguments& x, long& result) {
  int fd = static_cast<int>(x.a);
  no_cancellation guard;
  switch (number) {
    case SYS_read: result = read(fd, x.pointer<void>(x.b), static_cast<size_t>(x.c)); return true;
    case SYS_write: result = write(fd, x.pointer<void>(x.b), static_cast<size_t>(x.c)); return true;
    case SYS_readv: result = readv(fd, x.pointer<iovec>(x.b), static_cast<int>(x.c)); return true;
    case SYS_writev: result = writev(fd, x.pointer<iovec>(x.b), static_cast<int>(x.c)); return true;
    case SYS_recvfrom:
      result = recvfrom(fd, x.pointer<void>(x.b), static_cast<size_t>(x.c), static_cast<int>(x.d),
                        x.pointer<sockaddr>(x.e), x.pointer<socklen_t>(x.f));
      return true;
    case SYS_sendto:
      result = sendto(fd, x.pointer<void>(x.b), static_cast<size_t>(x.c), static_cast<int>(x.d),
                      x.pointer<sockaddr>(x.e), static_cast<socklen_t>(x.f));
      return true;
    case SYS_recvmsg:
      result = recvmsg(fd, x.pointer<msghdr>(x.b), static_cast<int>(x.c));
      return true;
    case SYS_sendmsg:
      result = sendmsg(fd, x.pointer<msghdr>(x.b), static_cast<int>(x.c));
      return true;
    case SYS_connect:
      result = connect(fd, x.pointer<sockaddr>(x.b), static_cast<socklen_t>(x.c));
      return true;
    case SYS_accept:
      result = accept(fd, x.pointer<sockaddr>(x.b), x.pointer<socklen_t>(x.c));
      return true;
    case SYS_accept4:
      result =
          accept4(fd, x.pointer<sockaddr>(x.b), x.pointer<socklen_t>(x.c), static_cast<int>(x.d));
      return true;
    case SYS_nanosleep:
      result = nanosleep(x.pointer<timespec>(x.a), x.pointer<timespec>(x.b));
      return true;
    case SYS_clock_nanosleep:
      result = from_error(clock_nanosleep(fd, static_cast<int>(x.b), x.pointer<timespec>(x.c),
                                          x.pointer<timespec>(x.d)));
      return true;
    case SYS_poll:
      result = poll(x.pointer<pollfd>(x.a), static_cast<nfds_t>(x.b), static_cast<int>(x.c));
      return true;
    case SYS_ppoll:
      result = ppoll(x.pointer<pollfd>(x.a), static_cast<nfds_t>(x.b), x.pointer<timespec>(x.c),
                     signal_set(x.pointer<void>(x.d)).get());
      return true;
    case SYS_select:
      result = select(fd, x.pointer<fd_set>(x.b), x.pointer<fd_set>(x.c), x.pointer<fd_set>(x.d),
                      x.pointer<timeval>(x.e));
      return true;
    case SYS_pselect6: result = pselect_of(x); return true;
    case SYS_epoll_wait:
      result =
          epoll_wait(fd, x.pointer<epoll_event>(x.b), static_cast<int>(x.c), static_cast<int>(x.d));
      return true;
    case SYS_epoll_pwait:
      result = epoll_pwait(fd, x.pointer<epoll_event>(x.b), static_cast<int>(x.c),
                           static_cast<int>(x.d), signal_set(x.pointer<void>(x.e)).get());
      return true;
    case SYS_wait4:
      result = wait4(fd, x.pointer<int>(x.b), static_cast<int>(x.c), x.pointer<rusage>(x.d));
      return true;
    case SYS_io_uring_enter: result = enter_ring(x); return true;
    case SYS_sched_yield: result = sched_yield(); return true;
    default: return false;
  }
}

// Descriptors: what is known of them has to follow.
bool changes_descriptors(long number, const arguments& x, long& result) {
  int fd = static_cast<int>(x.a);
  switch (number) {
    case SYS_io_uring_setup: result = set_up_ring(x); return true;
    case SYS_close: result = close(fd); return true;
    case SYS_close_range:
      result = close_range(static_cast<unsigned>(x.a), static_cast<unsigned>(x.b),
                           static_cast<int>(x.c));
      return true;
    case SYS_dup: result = dup(fd); return true;
    case SYS_dup2: result = dup2(fd, static_cast<int>(x.b)); return true;
    case SYS_dup3: result = dup3(fd, static_cast<int>(x.b), static_cast<int>(x.c)); return true;
    case SYS_fcntl: result = fcntl(fd, static_cast<int>(x.b), x.c); return true;
    case SYS_ioctl: result = ioctl(fd, static_cast<unsigned long>(x.b), x.c); return true;
    case SYS_setsockopt:
      result = setsockopt(fd, static_cast<int>(x.b), static_cast<int>(x.c), x.pointer<void>(x.d),
                          static_cast<socklen_t>(x.e));
      return true;
    case SYS_getsockopt:
      result = getsockopt(fd, static_cast<int>(x.b), static_cast<int>(x.c), x.pointer<void>(x.d),
                          x.pointer<socklen_t>(x.e));
      return true;
    default: return false;
  }
}

// Who the caller is, as far as the kernel would answer for the carrier instead.
bool concerns_thread(long number, const arguments& x, long& result) {
  switch (number) {
    case SYS_gettid: result = gettid(); return true;
    case SYS_tgkill:
      result = tgkill(static_cast<pid_t>(x.a), static_cast<pid_t>(x.b), static_cast<int>(x.c));
      return true;
    case SYS_tkill:
      result = tgkill(getpid(), static_cast<pid_t>(x.a), static_cast<int>(x.b));
      return true;
    case SYS_rt_sigprocmask: result = mask_of(x); return true;
    case SYS_sched_setaffinity:
      result = sched_setaffinity(static_cast<pid_t>(x.a), static_cast<size_t>(x.b),
                                 x.pointer<cpu_set_t>(x.c));
      return true;
    case SYS_sched_setscheduler:
      result = sched_setscheduler(static_cast<pid_t>(x.a), static_cast<int>(x.b),
                                  x.pointer<sched_param>(x.c));
      return true;
    case SYS_setpriority:
      result = setpriority(static_cast<__priority_which_t>(x.a), static_cast<id_t>(x.b),
                           static_cast<int>(x.c));
      return true;
    case SYS_exit:
      // Ends a thread, never its carrier.
      if (!on_thread_fiber()) return false;
      pthread_exit(nullptr);
    default: return false;
  }
}

// State of the calling kernel thread: see wire.h.
bool wire_for(long number, const arguments& x) {
  switch (number) {
    case SYS_prctl: return !wires(x.a) || wire_caller();
    case SYS_unshare:
    case SYS_setns:
    case SYS_ptrace:
    case SYS_capset:
    case SYS_personality:
    case SYS_setfsuid:
    case SYS_setfsgid:
    case SYS_iopl:
    case SYS_ioperm:
    case SYS_arch_prctl:
    case SYS_seccomp:
    case SYS_landlock_restrict_self:
    case SYS_set_mempolicy:
    case SYS_ioprio_set:
    case SYS_sched_setattr: return wire_caller();
    default: return true;
  }
}

long dispatch(long number, const arguments& x) {
  if (number == SYS_futex) return futex_of(x);
  long result = 0;
  if (threads_are_fibers() && concerns_thread(number, x, result)) return result;
  if (!dormant() && (changes_descriptors(number, x, result) || waits(number, x, result)))
    return result;
  if (!wire_for(number, x)) return -1;
  return posix_result(sys::call(number, x.a, x.b, x.c, x.d, x.e, x.f));
}

}  // namespace
}  // namespace vervet::interpose

// As many arguments are read as a system call can have; the kernel ignores what is not given, and
// so does libc's own.
EXPORT
long syscall(long number, ...) noexcept {
  va_list list;
  va_start(list, number);
  vervet::interpose::arguments x;
  x.a = va_arg(list, long);
  x.b = va_arg(list, long);
  x.c = va_arg(list, long);
  x.d = va_arg(list, long);
  x.e = va_arg(list, long);
  x.f = va_arg(list, long);
  va_end(list);
  return vervet::interpose::dispatch(number, x);
}
