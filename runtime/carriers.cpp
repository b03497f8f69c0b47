// The table of carriers, their kernel threads, and the spare ones.
#include <errno.h>
#include <fcntl.h>
#include <new>
#include <string.h>
#include <sys/mman.h>

#include "runtime/carrier.h"
#include "runtime/fs_base.h"
#include "runtime/identity.h"
#include "runtime/lock.h"
#include "runtime/scheduler.h"
#include "runtime/signal.h"
#include "runtime/sys.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"

namespace vervet::carriers {
namespace {

// As many as a process can have kernel threads: each thread of the program may block at once.
constexpr unsigned most = 32768;
constexpr size_t stack_size = 256 * 1024;
constexpr size_t alternate_stack_size = 32 * 1024;
// How long a spare one is kept. Long enough for a program that needs one again and again.
constexpr int64_t spare_life = 1'000'000'000;

std::atomic<bool> kept{false};
carrier* table;
std::atomic<unsigned> made{0};

// Guards the two lists.
lock spare_lock;
list<carrier> spare;    // asleep on their calls; the last one to come is the first to go
list<carrier> retired;  // their kernel threads have ended or are about to

bool give_alternate_stack(carrier& c) {
  // Where the overflow of a fiber's stack is reported.
  void* memory = sys::map(nullptr, alternate_stack_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK);
  if (memory == nullptr) return false;
  c.own_alternate_stack.ss_sp = memory;
  c.own_alternate_stack.ss_size = alternate_stack_size;
  return true;
}

void* run_thread(void* argument) {
  auto& c = *static_cast<carrier*>(argument);
  c.home.identity = fs_base::get();
  begin(c);
  sys::name_thread("vervet-carrier");
  carrier_signals_start(c);
  scheduler::serve(c);
  end(c);
  scheduler::note_kernel_thread(-1);
  return nullptr;
}

// Made once: pthread_attr_setsigmask_np() allocates, and the monitor should do that as seldom as can be.
struct {
  pthread_attr_t attributes;
  bool ready;
} thread_attributes;

int prepare_attributes() {
  if (thread_attributes.ready) return 0;
  pthread_attr_t& a = thread_attributes.attributes;
  int error = pthread_attr_init(&a);
  if (error != 0) return error;
  pthread_attr_setstacksize(&a, stack_size);
  sigset_t all;
  sigfillset(&all);
  error = pthread_attr_setsigmask_np(&a, &all);
  thread_attributes.ready = error == 0;
  return error;
}

void join(carrier& c) {
  if (!c.started) return;
  libc.pthread_join(c.thread, nullptr);
  c.started = false;
}

carrier* take_retired() {
  carrier* c;
  {
    lock_guard guard(spare_lock);
    c = retired.pop_front();
  }
  if (c == nullptr) return nullptr;
  join(*c);
  stack_t stack = c->own_alternate_stack;
  counters count = c->count;
  unsigned index = c->index;
  new (c) carrier;
  c->own_alternate_stack = stack;
  c->count = count;
  c->index = index;
  return c;
}

}  // namespace

void begin(carrier& c) {
  c.kernel_tid = static_cast<int>(sys::gettid());
  long fd = sys::call(SYS_openat, AT_FDCWD, sys::word("/proc/thread-self/stat"),
                      O_RDONLY | O_CLOEXEC);
  c.state_file = fd < 0 ? -1 : sys::move_high(static_cast<int>(fd));
}

void end(carrier& c) {
  if (c.state_file >= 0) sys::close(c.state_file);
  c.state_file = -1;
}

char state_of(const carrier& c) {
  char text[128];
  long size = sys::call(SYS_pread64, c.state_file, sys::word(text), sizeof text - 1, 0);
  text[size > 0 ? size : 0] = '\0';
  // The state follows the name, which is in parentheses and may contain some.
  const char* name_end = strrchr(text, ')');
  return name_end != nullptr && name_end[1] == ' ' ? name_end[2] : 0;
}

bool owns(int fd) {
  for (unsigned i = 0; const carrier* c = at(i); ++i)
    if (fd >= 0 && c->state_file == fd) return true;
  return false;
}

int lowest_owned(int first) {
  int lowest = -1;
  for (unsigned i = 0; const carrier* c = at(i); ++i)
    if (c->state_file >= first && (lowest < 0 || c->state_file < lowest)) lowest = c->state_file;
  return lowest;
}

int reserve() {
  int error = prepare_attributes();
  if (error != 0) return error;
  void* memory = sys::map(nullptr, most * sizeof(carrier), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
  if (memory == nullptr) return ENOMEM;
  table = static_cast<carrier*>(memory);
  return 0;
}

carrier* make() {
  if (carrier* c = take_retired()) return c;
  lock_guard guard(spare_lock);
  unsigned index = made.load(std::memory_order_relaxed);
  if (index == most) return nullptr;
  auto* c = new (&table[index]) carrier;
  c->index = index;
  if (!give_alternate_stack(*c)) return nullptr;
  made.store(index + 1, std::memory_order_release);
  return c;
}

int start_thread(carrier& c) {
  c.started = true;
  int error = libc.pthread_create(&c.thread, &thread_attributes.attributes, run_thread, &c);
  if (error != 0) {
    c.started = false;
  } else {
    // Not before: deadlock.h takes what is counted for a thread that is there.
    scheduler::note_kernel_thread(+1);
    // It notes that itself, but others may ask before it runs.
    c.kernel_tid = static_cast<int>(identity::id_of(reinterpret_cast<void*>(c.thread)));
  }
  return error;
}

namespace {

bool is_main(const carrier& c) { return !c.started; }

carrier* find_spare(bool for_job) {
  lock_guard guard(spare_lock);
  carrier* c = spare.front();
  while (c != nullptr && for_job && is_main(*c)) c = spare.after(c);
  if (c == nullptr) return nullptr;
  list<carrier>::remove(c);
  c->taken = true;
  return c;
}

carrier* find_or_make(bool for_job, bool may_make) {
  if (carrier* c = find_spare(for_job)) return c;
  carrier* c = may_make ? make() : nullptr;
  if (c == nullptr) return nullptr;
  c->taken = true;
  if (start_thread(*c) == 0) return c;
  lock_guard guard(spare_lock);
  retired.push_back(c);
  return nullptr;
}

}  // namespace

carrier* take_spare(bool may_make) { return find_or_make(false, may_make); }
carrier* take_spare_for_job(bool may_make) { return find_or_make(true, may_make); }

carrier* make_wired(fiber& f) {
  carrier* c = make();
  if (c == nullptr) return nullptr;
  c->wired = &f;
  if (start_thread(*c) == 0) return c;
  lock_guard guard(spare_lock);
  retired.push_back(c);
  return nullptr;
}

void give_back(carrier& c) {
  lock_guard guard(spare_lock);
  c.taken = false;
  spare.push_front(&c);
}

void call(carrier& c) {
  c.call.store(1, std::memory_order_release);
  sys::futex_wake(&c.call, 1);
}

void employ(carrier& c) {
  {
    lock_guard guard(spare_lock);
    c.taken = false;
    c.call.store(1, std::memory_order_release);
  }
  sys::futex_wake(&c.call, 1);
}

bool await_worker(carrier& c, const std::atomic<bool>& stopping) {
  auto is_employed = [&c] { return c.owned != nullptr || c.job != nullptr; };
  for (;;) {
    {
      lock_guard guard(spare_lock);
      // Whoever made it may have taken it for something already, and have employed it or given it back
      // since; one that was quick has done its job before it was called for it.
      if (!c.taken && !c.tainted && !c.linked() && !is_employed()) spare.push_front(&c);
    }
    bool unneeded = (c.tainted && !c.stays) || stopping.load(std::memory_order_acquire);
    timespec until = timespec_of(after(spare_life));
    bool stays = c.stays || kept.load(std::memory_order_relaxed);
    if (!unneeded)
      unneeded = sys::futex_wait(&c.call, 0, stays ? nullptr : &until) == -ETIMEDOUT && !stays;
    lock_guard guard(spare_lock);
    bool called = c.call.exchange(0, std::memory_order_acq_rel) != 0;
    if (called && is_employed() && !stopping.load(std::memory_order_relaxed)) return true;
    if (c.taken || !unneeded) continue;
    if (c.linked()) list<carrier>::remove(&c);
    retired.push_back(&c);
    return false;
  }
}

void keep_all() { kept.store(true, std::memory_order_relaxed); }

void call_all() {
  lock_guard guard(spare_lock);
  for (carrier* c = spare.front(); c != nullptr; c = spare.after(c)) call(*c);
}

void join_all() {
  unsigned count = made.load(std::memory_order_acquire);
  for (unsigned i = 0; i < count; ++i) {
    join(table[i]);
    sys::unmap(table[i].own_alternate_stack.ss_sp, alternate_stack_size);
  }
  made = 0;
  sys::unmap(table, most * sizeof(carrier));
  forget_all();
}

carrier* at(unsigned index) {
  return index < made.load(std::memory_order_acquire) ? &table[index] : nullptr;
}

void forget_all() {
  for (unsigned i = 0; carrier* c = const_cast<carrier*>(at(i)); ++i) end(*c);
  spare_lock.reset();
  spare = {};
  retired = {};
  table = nullptr;
  made = 0;
  kept = false;
}

}  // namespace vervet::carriers
