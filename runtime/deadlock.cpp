#include "runtime/deadlock.h"

#include <fcntl.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "runtime/scheduler.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

std::atomic<int> runtime_threads{0};

// Field 20 of /proc/self/stat; the second field is in parentheses and may hold anything.
long kernel_threads_of_process() {
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::word("/proc/self/stat"), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  char text[512];
  long size = sys::call(SYS_read, fd, sys::word(text), sizeof text - 1);
  sys::close(static_cast<int>(fd));
  if (size <= 0) return -1;
  text[size] = 0;
  const char* at = strrchr(text, ')');
  for (int field = 2; at != nullptr && field < 20; ++field) at = strchr(at + 1, ' ');
  long count = 0;
  if (at == nullptr) return -1;
  for (++at; *at >= '0' && *at <= '9'; ++at) count = count * 10 + (*at - '0');
  return count;
}

long kernel_threads_of_runtime() {
  return runtime_threads.load(std::memory_order_acquire) +
         static_cast<long>(scheduler::kernel_threads());
}

// Not woken: one that was and has not run since is on its way.
bool lasts(const closed_wait& wait) {
  uint64_t word = wait.who->word.load(std::memory_order_acquire);
  park_state state = parker::state_of(word);
  return parker::epoch_of(word) == wait.epoch &&
         (state == park_state::armed || state == park_state::asleep);
}

}  // namespace

std::atomic<flow_set*> set_of_run{nullptr};

void note_runtime_thread(int change) {
  // Whom it has woken before it became idle is seen with it.
  runtime_threads.fetch_add(change, std::memory_order_release);
}

bool alone_in_process() {
  // Under the launcher other fibers are threads of the program, and no kernel thread tells of them.
  if (wake_process != nullptr && scheduler::running()) return false;
  if (__libc_single_threaded) return true;
  // One of ours that ends says so first: had one ended between the two counts, another thread could
  // stand in its place.
  long ours = kernel_threads_of_runtime();
  // And the one that called run(), or hosts the only light fibers.
  return kernel_threads_of_process() == ours + 1 && kernel_threads_of_runtime() == ours;
}

// Full fibers that are not of this set are on the runtime's kernel threads.
bool flow_set::others_may_help() const {
  unsigned known = self_state.host != nullptr ? 1 : 0;  // it hosts this hub
  if (this == set_of_run.load(std::memory_order_relaxed)) known = flows_;
  return thread::alive_count() != known || !alone_in_process();
}

bool flow_set::tell(lot::call_ref still_nothing) {
  guard with(*this);
  if (flows_ == 0 || waiting_ != flows_) return false;
  if (endable_from_outside_ != 0 && others_may_help()) return false;
  if (!still_nothing()) return false;
  for (closed_wait* w = waits_.front(); w != nullptr; w = waits_.after(w))
    if (!lasts(*w)) return false;
  for (closed_wait* w = waits_.front(); w != nullptr; w = waits_.after(w))
    if (w->is_main || main_ended_) return wake(*w->who, w->epoch, wake_reason::deadlock);
  return false;
}

}  // namespace vervet
