// What gives the calling kernel thread a state that no other has: the calling fiber keeps that
// kernel thread for life, and its worker goes on with another.
#include "interpose/wire.h"

#include <linux/prctl.h>
#include <stdarg.h>

#include "interpose/dormant.h"
#include "interpose/real.h"
#include "runtime/door.h"

namespace vervet::interpose {

bool wire_caller() {
  if (!on_full_fiber()) return true;
  runtime_scope scope;
  if (scheduler::wire(*thread::self())) return true;
  errno = EAGAIN;
  return false;
}

bool wires(long prctl_option) {
  switch (prctl_option) {
    case PR_SET_PDEATHSIG:
    case PR_SET_KEEPCAPS:
    case PR_SET_SECCOMP:
    case PR_CAPBSET_DROP:
    case PR_SET_TSC:
    case PR_SET_SECUREBITS:
    case PR_SET_TIMERSLACK:
    case PR_MCE_KILL:
    case PR_SET_NO_NEW_PRIVS:
    case PR_CAP_AMBIENT:
    case PR_SET_SPECULATION_CTRL:
    case PR_SET_IO_FLUSHER:
    case PR_SET_SYSCALL_USER_DISPATCH:
    case PR_SCHED_CORE: return true;
    default: return false;
  }
}

}  // namespace vervet::interpose

using namespace vervet::interpose;

// One for each WIRES row: `parameters` as declared, `names` of them alone.
#define WIRED(result, name, parameters, names) \
  EXPORT result name parameters {              \
    if (!wire_caller()) return -1;             \
    return real().name names;                  \
  }

WIRED(int, unshare, (int flags) noexcept, (flags))
WIRED(int, setns, (int fd, int type) noexcept, (fd, type))
WIRED(int, capset, (void* header, const void* data) noexcept, (header, data))
WIRED(int, personality, (unsigned long persona) noexcept, (persona))
WIRED(int, setfsuid, (uid_t id) noexcept, (id))
WIRED(int, setfsgid, (gid_t id) noexcept, (id))
WIRED(int, iopl, (int level) noexcept, (level))
WIRED(int, ioperm, (unsigned long from, unsigned long count, int on) noexcept, (from, count, on))
WIRED(int, nice, (int change) noexcept, (change))

namespace {

// The kernel knows the calling fiber, whose id is its own invention, as "the caller".
pid_t caller_as_zero(pid_t id) {
  bool self = on_thread_fiber() && static_cast<uint32_t>(id) == vervet::thread::self()->thread.id;
  return self ? 0 : id;
}

}  // namespace

EXPORT int setpriority(__priority_which_t which, id_t who, int priority) noexcept {
  pid_t id = which == PRIO_PROCESS ? caller_as_zero(static_cast<pid_t>(who)) : 1;
  if (id == 0 && !wire_caller()) return -1;
  return real().setpriority(which, id == 0 ? 0 : who, priority);
}

EXPORT int sched_setscheduler(pid_t id, int policy, const sched_param* wanted) noexcept {
  id = caller_as_zero(id);
  if (id == 0 && !wire_caller()) return -1;
  return real().sched_setscheduler(id, policy, wanted);
}

EXPORT int sched_setparam(pid_t id, const sched_param* wanted) noexcept {
  id = caller_as_zero(id);
  if (id == 0 && !wire_caller()) return -1;
  return real().sched_setparam(id, wanted);
}

// Clang minds that the type of the last named parameter might be promoted; libc's header has it so.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wvarargs"
EXPORT long ptrace(__ptrace_request request, ...) noexcept {
  va_list list;
  va_start(list, request);
  long values[3];
  for (long& value : values) value = va_arg(list, long);
  va_end(list);
  if (!wire_caller()) return -1;
  return real().ptrace(request, values[0], values[1], values[2]);
}
#pragma GCC diagnostic pop
