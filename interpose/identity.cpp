// Questions about threads that libc would put to the kernel with an id that the kernel does not
// know.
#include <stdarg.h>

#include "interpose/dormant.h"
#include "interpose/io.h"
#include "interpose/real.h"
#include "interpose/wire.h"

using namespace vervet;
using namespace vervet::interpose;

namespace {

// The full fiber behind a handle; null if libc and the kernel know the thread themselves. The main
// thread's kernel thread is a carrier by now, so its fiber counts.
fiber* fiber_of(pthread_t handle) { return threads_are_fibers() ? thread::of(handle) : nullptr; }

fiber* fiber_of_id(pid_t id) {
  if (!threads_are_fibers() || id < 0) return nullptr;
  return id == 0 ? (on_thread_fiber() ? thread::self() : nullptr)
                 : thread::by_id(static_cast<uint32_t>(id));
}

// What the process might use when this was first asked, in the first 64 CPUs. The kernel's answer for the
// main thread changes once that confines itself.
uint64_t allowed_cpus() {
  static std::atomic<uint64_t> known{0};
  uint64_t allowed = known.load(std::memory_order_relaxed);
  if (allowed != 0) return allowed;
  uint64_t words[16] = {};
  sys::call(SYS_sched_getaffinity, sys::getpid(), sizeof words, sys::word(words));
  known.store(words[0], std::memory_order_relaxed);
  return words[0];
}

// A thread that confines itself is wired to a kernel thread, which is confined. What is wished for
// another, or is all that there is, is only remembered so that it can be asked for.
int set_affinity(fiber& f, size_t size, const cpu_set_t* set) {
  uint64_t wanted = 0;
  __builtin_memcpy(&wanted, set, size < sizeof wanted ? size : sizeof wanted);
  uint64_t allowed = allowed_cpus();
  wanted &= allowed;
  if (wanted == 0) return EINVAL;
  bool confines = wanted != allowed && thread::self() == &f;
  if (confines && !wire_caller()) return EAGAIN;
  if (confines || f.wired_to != nullptr)
    sys::call(SYS_sched_setaffinity, f.wired_to != nullptr ? f.wired_to->kernel_tid : 0, sizeof wanted,
              sys::word(&wanted));
  f.thread.affinity = wanted;
  return 0;
}

int get_affinity(const fiber& f, size_t size, cpu_set_t* set) {
  if (f.thread.affinity == 0) {
    long written =
        sys::call(SYS_sched_getaffinity, sys::getpid(), static_cast<long>(size), sys::word(set));
    if (sys::failed(written)) return static_cast<int>(-written);
    memset(reinterpret_cast<char*>(set) + written, 0, size - static_cast<size_t>(written));
    return 0;
  }
  if (size < sizeof f.thread.affinity) return EINVAL;
  memset(set, 0, size);
  __builtin_memcpy(set, &f.thread.affinity, sizeof f.thread.affinity);
  return 0;
}

bool may_be_real_time() { return sys::call(SYS_geteuid) == 0; }

int set_scheduling(fiber& f, int policy, int priority) {
  int lowest = sched_get_priority_min(policy);
  int highest = sched_get_priority_max(policy);
  if (lowest < 0 || priority < lowest || priority > highest) return EINVAL;
  bool real_time = policy == SCHED_FIFO || policy == SCHED_RR;
  if (real_time && !may_be_real_time()) return EPERM;
  f.thread.policy = policy;
  f.thread.priority = priority;
  return 0;
}

}  // namespace

EXPORT pid_t gettid() noexcept {
  if (!on_thread_fiber()) return real().gettid();
  return static_cast<pid_t>(thread::self_id(*thread::self()));
}

EXPORT int pthread_getattr_np(pthread_t handle, pthread_attr_t* attributes) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr || f->thread.is_main) return real().pthread_getattr_np(handle, attributes);
  int error = pthread_attr_init(attributes);
  if (error != 0) return error;
  const thread_part& t = f->thread;
  bool detached = t.fate.load(std::memory_order_relaxed) == thread_fate::detached;
  pthread_attr_setdetachstate(attributes,
                              detached ? PTHREAD_CREATE_DETACHED : PTHREAD_CREATE_JOINABLE);
  pthread_attr_setguardsize(attributes, t.guard_size);
  error = pthread_attr_setstack(attributes, t.stack_low, t.stack_size);
  if (error != 0) pthread_attr_destroy(attributes);
  return error;
}

namespace {

// At most 15 characters. The process is listed under its main thread's name.
void set_name(fiber& f, const char* name) {
  thread_part& t = f.thread;
  size_t length = strnlen(name, sizeof t.name - 1);
  memcpy(t.name, name, length);
  memset(t.name + length, 0, sizeof t.name - length);
  if (!t.is_main) return;
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::word("/proc/self/comm"), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return;
  sys::write(static_cast<int>(fd), t.name, length);
  sys::close(static_cast<int>(fd));
}

}  // namespace

EXPORT int pthread_setname_np(pthread_t handle, const char* name) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_setname_np(handle, name);
  if (strlen(name) >= sizeof f->thread.name) return ERANGE;
  set_name(*f, name);
  return 0;
}

EXPORT int pthread_getname_np(pthread_t handle, char* name, size_t size) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_getname_np(handle, name, size);
  size_t length = strlen(f->thread.name);
  if (size <= length) return ERANGE;
  memcpy(name, f->thread.name, length + 1);
  return 0;
}

// Four arguments are read as the kernel would; what is not given it ignores.
EXPORT int prctl(int option, ...) noexcept {
  va_list list;
  va_start(list, option);
  unsigned long values[4];
  for (unsigned long& value : values) value = va_arg(list, unsigned long);
  va_end(list);
  if (on_thread_fiber() && option == PR_SET_NAME) {
    set_name(*thread::self(), reinterpret_cast<const char*>(values[0]));
    return 0;
  }
  if (on_thread_fiber() && option == PR_GET_NAME) {
    memcpy(reinterpret_cast<char*>(values[0]), thread::self()->thread.name, 16);
    return 0;
  }
  if (wires(option) && !wire_caller()) return -1;
  return real().prctl(option, values[0], values[1], values[2], values[3]);
}

EXPORT int pthread_setaffinity_np(pthread_t handle, size_t size, const cpu_set_t* set) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_setaffinity_np(handle, size, set);
  return set_affinity(*f, size, set);
}

EXPORT int pthread_getaffinity_np(pthread_t handle, size_t size, cpu_set_t* set) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_getaffinity_np(handle, size, set);
  return get_affinity(*f, size, set);
}

EXPORT int sched_setaffinity(pid_t id, size_t size, const cpu_set_t* set) noexcept {
  fiber* f = fiber_of_id(id);
  if (f == nullptr) return real().sched_setaffinity(id, size, set);
  return static_cast<int>(result_of(-set_affinity(*f, size, set)));
}

EXPORT int sched_getaffinity(pid_t id, size_t size, cpu_set_t* set) noexcept {
  fiber* f = fiber_of_id(id);
  if (f == nullptr) return real().sched_getaffinity(id, size, set);
  return static_cast<int>(result_of(-get_affinity(*f, size, set)));
}

EXPORT int pthread_setschedparam(pthread_t handle, int policy, const sched_param* wanted) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_setschedparam(handle, policy, wanted);
  return set_scheduling(*f, policy, wanted->sched_priority);
}

EXPORT int pthread_setschedprio(pthread_t handle, int priority) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_setschedprio(handle, priority);
  return set_scheduling(*f, f->thread.policy, priority);
}

EXPORT int pthread_getschedparam(pthread_t handle, int* policy, sched_param* present) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_getschedparam(handle, policy, present);
  *policy = f->thread.policy;
  present->sched_priority = f->thread.priority;
  return 0;
}

// Nobody keeps a fiber's time: the caller's own is its carrier's, others' the process's.
EXPORT int pthread_getcpuclockid(pthread_t handle, clockid_t* clock) noexcept {
  fiber* f = fiber_of(handle);
  if (f == nullptr) return real().pthread_getcpuclockid(handle, clock);
  *clock = f == thread::self() ? CLOCK_THREAD_CPUTIME_ID : CLOCK_PROCESS_CPUTIME_ID;
  return 0;
}
