#include "runtime/kernel_threads.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runtime/cancel.h"
#include "runtime/check.h"
#include "runtime/deadline.h"
#include "runtime/inquiry.h"
#include "runtime/lock.h"
#include "runtime/signal_internal.h"

namespace vervet {
namespace {

constexpr int our_code = -7677;

// libc's handler, for the calls inside libc that use it.
kernel_action libcs_action;

// One call at a time goes round. Who has made it is told by its thread id.
struct participant {
  std::atomic<int> tid;
  std::atomic<uint32_t> done;
};
struct {
  lock mutex;
  long number, a, b, c, expected;
  participant* participants;  // as many as fit the mapping
  std::atomic<uint32_t> participant_count;
  std::atomic<uint32_t> finished;
  std::atomic<uint32_t> disagreeing;
} round_trip;

constexpr size_t participants_size = 1 << 20;
constexpr uint32_t most_participants = participants_size / sizeof(participant);

participant* find(int tid) {
  uint32_t count = round_trip.participant_count.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    participant& p = round_trip.participants[i];
    if (p.tid.load(std::memory_order_relaxed) == tid) return &p;
  }
  return nullptr;
}

void take_part() {
  participant* p = find(static_cast<int>(sys::gettid()));
  if (p == nullptr || p->done.load(std::memory_order_relaxed) != 0) return;
  long result = sys::call(round_trip.number, round_trip.a, round_trip.b, round_trip.c);
  if (result != round_trip.expected) round_trip.disagreeing.fetch_add(1);
  p->done.store(1, std::memory_order_release);
  round_trip.finished.fetch_add(1, std::memory_order_release);
  sys::futex_wake(&round_trip.finished, 1);
}

// Runs on any kernel thread and any thread pointer, all signals blocked.
void on_internal_signal(int number, siginfo_t* info, void* context) {
  auto& frame = *static_cast<ucontext_t*>(context);
  if (info->si_code != our_code) {
    if (libcs_action.handled())
      reinterpret_cast<signal_handler>(libcs_action.handler)(number, info, context);
    return;
  }
  switch (static_cast<kernel_thread_request>(info->si_value.sival_int)) {
    case kernel_thread_request::adopt_mask: return signals::adopt_in_frame(frame);
    case kernel_thread_request::look: return signals::look_in_frame(frame);
    case kernel_thread_request::cancel: return cancel::act_in_handler(frame_mask(frame));
    case kernel_thread_request::apply_call: return take_part();
    case kernel_thread_request::preempt: return signals::preempt_in_frame(frame);
    case kernel_thread_request::show_stack: return inquiry::answer(frame);
  }
}

void install_handler(bool restart) {
  kernel_action ours{};
  ours.handler = reinterpret_cast<void*>(on_internal_signal);
  ours.flags = SA_SIGINFO | flag_restorer | (restart ? SA_RESTART : 0);
  ours.restorer = signal_restorer();
  ours.mask = ~signal_set{0};
  // First: from the exchange on, our handler may have to pass a signal of libc's on.
  kernel_action before{};
  raw::action(signals::internal_signal, nullptr, &before);
  if (before.handled() && before.handler != ours.handler) libcs_action = before;
  raw::action(signals::internal_signal, &ours, nullptr);
}

// Waits until the participant has made the call, or ended with the signal blocked.
void await(participant& p) {
  constexpr int64_t patience = 2'000'000;
  for (;;) {
    uint32_t finished = round_trip.finished.load(std::memory_order_acquire);
    if (p.done.load(std::memory_order_acquire) != 0) return;
    timespec until = timespec_of(after(patience));
    if (sys::futex_wait(&round_trip.finished, finished, &until) != -ETIMEDOUT) continue;
    // Gone, or libc put its own handler in place of ours just then.
    int tid = p.tid.load(std::memory_order_relaxed);
    if (ask_kernel_thread(tid, kernel_thread_request::apply_call) != 0) return;
  }
}

// Adds the thread to the round and has it take part; false if it has done so already.
bool invite(int tid) {
  if (find(tid) != nullptr) return false;
  uint32_t place = round_trip.participant_count.load(std::memory_order_relaxed);
  CHECK(place < most_participants, "more than %u kernel threads", most_participants);
  participant& p = round_trip.participants[place];
  p.done.store(0, std::memory_order_relaxed);
  p.tid.store(tid, std::memory_order_relaxed);
  round_trip.participant_count.store(place + 1, std::memory_order_release);
  if (ask_kernel_thread(tid, kernel_thread_request::apply_call) == 0) await(p);
  return true;
}

int number_of(const char* name) {
  int number = 0;
  for (; *name >= '0' && *name <= '9'; ++name) number = number * 10 + (*name - '0');
  return *name == '\0' ? number : 0;
}

// Invites every listed thread once; true if there was a new one.
bool invite_all() {
  struct entry {
    uint64_t inode;
    int64_t offset;
    unsigned short length;
    unsigned char type;
    char name[];
  };
  long directory = sys::call(SYS_openat, AT_FDCWD, sys::word("/proc/self/task"),
                             O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  CHECK(directory >= 0, "cannot list the kernel threads: error %ld", -directory);
  bool found_new = false;
  alignas(entry) char buffer[4096];
  long size;
  while ((size = sys::call(SYS_getdents64, directory, sys::word(buffer), sizeof buffer)) > 0) {
    for (long at = 0; at < size;) {
      auto* e = reinterpret_cast<entry*>(buffer + at);
      at += e->length;
      int tid = number_of(e->name);
      if (tid != 0 && invite(tid)) found_new = true;
    }
  }
  sys::close(static_cast<int>(directory));
  return found_new;
}

}  // namespace

long ask_kernel_thread(int tid, kernel_thread_request request, bool restart) {
  install_handler(restart);
  siginfo_t info{};
  info.si_signo = signals::internal_signal;
  info.si_code = our_code;
  info.si_value.sival_int = static_cast<int>(request);
  return sys::call(SYS_rt_tgsigqueueinfo, sys::getpid(), tid, signals::internal_signal,
                   sys::word(&info));
}

long call_on_every_kernel_thread(long number, long a, long b, long c) {
  lock_guard guard(round_trip.mutex);
  if (round_trip.participants == nullptr)
    round_trip.participants = static_cast<participant*>(
        sys::map(nullptr, participants_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
  if (round_trip.participants == nullptr) return -ENOMEM;
  long result = sys::call(number, a, b, c);
  if (sys::failed(result)) return result;
  round_trip.number = number;
  round_trip.a = a;
  round_trip.b = b;
  round_trip.c = c;
  round_trip.expected = result;
  round_trip.disagreeing.store(0, std::memory_order_relaxed);
  round_trip.participants[0].tid.store(static_cast<int>(sys::gettid()), std::memory_order_relaxed);
  round_trip.participants[0].done.store(1, std::memory_order_relaxed);
  round_trip.participant_count.store(1, std::memory_order_release);
  // A thread that was made by one which had not taken part yet shows up in a later listing; it has
  // either state, and to be in the new one already is no disagreement.
  invite_all();
  uint32_t disagreeing = round_trip.disagreeing.load(std::memory_order_acquire);
  while (invite_all()) {
  }
  CHECK(disagreeing == 0, "system call %ld succeeded on one kernel thread and failed on %u", number,
        disagreeing);
  round_trip.participant_count.store(0, std::memory_order_release);
  return result;
}

unsigned usable_cpus() {
  unsigned long mask[1024 / 64] = {};
  long bytes = sys::call(SYS_sched_getaffinity, 0, sizeof mask, sys::word(mask));
  unsigned count = 0;
  for (long i = 0; i < bytes / 8; ++i) count += static_cast<unsigned>(__builtin_popcountl(mask[i]));
  return count != 0 ? count : 1;
}

void forget_kernel_threads() {
  round_trip.mutex.reset();
  round_trip.participant_count.store(0, std::memory_order_relaxed);
  if (libcs_action.handled()) raw::action(signals::internal_signal, &libcs_action, nullptr);
}

}  // namespace vervet
