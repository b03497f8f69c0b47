#include "runtime/identity.h"

#include <errno.h>
#include <locale.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/rseq.h>

#include "runtime/check.h"
#include "runtime/clone_trap.h"
#include "runtime/deadline.h"
#include "runtime/fs_base.h"
#include "runtime/lock.h"
#include "runtime/parking_lot.h"
#include "runtime/signal.h"
#include "runtime/thread.h"
#include "runtime/thread_state.h"
#include "runtime/worker.h"

namespace vervet::identity {
namespace {

// Offsets in libc's struct pthread, found in live threads and never written down.
size_t id_offset;
size_t robust_offset;

// Above the largest pid_max, so that no kernel thread has one of ours, and below the futex word's
// owner bits. Two processes that share a recursive mutex must not show the same owner.
constexpr uint32_t lowest_id = (1u << 22) + 1;
constexpr uint32_t id_range = (1u << 30) - lowest_id;

constexpr size_t descriptor_scan = 2304;  // less than any struct pthread since 2.34

lock donation_lock;
std::atomic<deadline> last_donation{0};

struct {
  request order;
  context* flow;
  int kernel_tid;  // the kernel zeroes it and wakes when the donor leaves its stack
  long donor;      // the same, for as long as the kernel counts the thread
  std::atomic<uint32_t> published;  // the first context is saved
  context* back;  // the creator's flow, if it runs the new thread's beginning itself
} donation;

alignas(64) char scratch_stack[16 * 1024];
robust_list_head no_robust_mutexes{{&no_robust_mutexes.list}, 0, nullptr};

struct pthread_attr_holder {
  pthread_attr_t attributes;
  bool ready;
} donor_attributes;

uint32_t* id_word(void* identity) {
  return reinterpret_cast<uint32_t*>(static_cast<char*>(identity) + id_offset);
}

// The one 32-bit word of the descriptor, of those `step` bytes apart, that holds this thread's id.
size_t find_id(const char* identity, uint32_t tid, size_t step) {
  size_t found = 0;
  for (size_t at = 0; at + 4 <= descriptor_scan; at += step) {
    if (*reinterpret_cast<const uint32_t*>(identity + at) != tid) continue;
    if (found != 0) return 0;
    found = at;
  }
  return found;
}

// Ids near 2^15 look like the upper halves of the addresses of mappings, 0x7f..: so the words that
// cannot be such come first.
size_t find_id(const char* identity, uint32_t tid) {
  size_t at = find_id(identity, tid, 8);
  return at != 0 ? at : find_id(identity, tid, 4);
}

bool has_rseq(const char* identity) {
  if (__rseq_size == 0) return false;
  return static_cast<int>(reinterpret_cast<const struct rseq*>(identity + __rseq_offset)->cpu_id) >=
         0;
}

void unregister_rseq(char* identity) {
  // Where its creator has none libc does not register one.
  if (!has_rseq(identity)) return;
  auto* area = reinterpret_cast<struct rseq*>(identity + __rseq_offset);
  constexpr unsigned registered_size = 32;
  constexpr int unregister = 1;
  sys::call(SYS_rseq, sys::word(area), registered_size, unregister, RSEQ_SIG);
  // sched_getcpu() falls back to the system call.
  area->cpu_id = static_cast<uint32_t>(RSEQ_CPU_ID_UNINITIALIZED);
}

void leave_kernel(void*) { sys::exit_thread(); }

void publish(void*) {
  donation.published.store(1, std::memory_order_release);
  sys::futex_wake(&donation.published, 1);
}

void leave_to_creator() { context_switch(*donation.flow, *donation.back, nullptr, nullptr); }

// On the donor's kernel thread.
void leave_for_good(char* self) {
  donation.donor = sys::gettid();
  sys::call(SYS_set_tid_address, sys::word(&donation.kernel_tid));
  sys::call(SYS_set_robust_list, sys::word(&no_robust_mutexes), sizeof no_robust_mutexes);
  unregister_rseq(self);
  context leaving;
  context_make(leaving, scratch_stack, sizeof scratch_stack, leave_kernel, nullptr);
  context_switch(*donation.flow, leaving, publish, nullptr);
}

// Runs on the new identity: first on the donor's kernel thread (or the creator's), later, after the
// switch, on a carrier.
void* donor(void*) {
  request order = donation.order;
  self_state.in_runtime = 1;
  self_state.current = self_state.host = order.owner;
  auto* self = static_cast<char*>(fs_base::get());
  set_id(self, order.owner != nullptr ? order.owner->thread.id : fresh_id());
  donation.flow->identity = self;
  if (donation.back != nullptr)
    leave_to_creator();
  else
    leave_for_good(self);

  order.body(order.argument);
  __builtin_trap();
}

int prepare_attributes() {
  if (donor_attributes.ready) return 0;
  pthread_attr_t& a = donor_attributes.attributes;
  int error = pthread_attr_init(&a);
  if (error != 0) return error;
  // A donor runs none of the program's handlers, and never blocks libc's own two signals.
  sigset_t all;
  sigfillset(&all);
  error = pthread_attr_setsigmask_np(&a, &all);
  donor_attributes.ready = error == 0;
  return error;
}

void await_donor_gone() {
  for (;;) {
    auto* word = reinterpret_cast<std::atomic<int>*>(&donation.kernel_tid);
    int tid = word->load(std::memory_order_acquire);
    if (tid == 0) break;
    // The kernel's wake at a thread's end is a shared one.
    sys::call(SYS_futex, sys::word(&donation.kernel_tid), FUTEX_WAIT, tid);
  }
  // It is off our stack, but stays among the process's threads for some microseconds more.
  while (donation.donor != 0 && sys::call(SYS_tgkill, sys::getpid(), donation.donor, 0) == 0)
    sys::call(SYS_sched_yield);
  donation.donor = 0;
}

void enter_unmade(void* argument) {
  auto& thread = *static_cast<clone_trap::unmade_thread*>(argument);
  thread.enter(thread.argument);
  __builtin_trap();
}

// Runs the beginning of a thread that has no kernel thread, until it has saved its first context.
// It tells the kernel of its robust mutexes and its mask, and of its rseq area where its creator
// has one.
void begin_unmade(clone_trap::unmade_thread& thread) {
  context first, here;
  context_make(first, thread.stack, thread.stack_size, enter_unmade, &thread);
  first.identity = thread.identity;
  here.identity = fs_base::get();
  donation.back = &here;
  // Whoever looks at the new identity finds it inside the runtime.
  auto offset = reinterpret_cast<char*>(&self_state) - static_cast<char*>(here.identity);
  auto* state = reinterpret_cast<thread_state*>(static_cast<char*>(thread.identity) + offset);
  state->in_runtime = 1;

  fiber* creator = self_state.host;
  bool trapped = creator == nullptr || has_rseq(static_cast<char*>(here.identity));
  if (trapped) {
    clone_trap::trap_again();
    context_switch(here, first, nullptr, nullptr);
    return;
  }
  robust_list_head* head = nullptr;
  size_t size = 0;
  sys::call(SYS_get_robust_list, 0, sys::word(&head), sys::word(&size));
  context_switch(here, first, nullptr, nullptr);
  sys::call(SYS_set_robust_list, sys::word(head), static_cast<long>(size));
  restore_kernel_mask(*creator->on, *creator);
}

int create_donor(pthread_t* handle, clone_trap::unmade_thread& thread) {
  const pthread_attr_t& attributes = donor_attributes.attributes;
  if (!clone_trap::begin()) return libc.pthread_create(handle, &attributes, donor, nullptr);
  int error = clone_trap::create(handle, attributes, donor, lowest_id, thread);
  if (error == 0 && thread.enter != nullptr) begin_unmade(thread);
  clone_trap::end();
  return error;
}

}  // namespace

int donate(const request& r, context& flow) {
  lock_guard guard(donation_lock);
  int error = prepare_attributes();
  if (error != 0) return error;
  await_donor_gone();
  error = pthread_attr_setstack(&donor_attributes.attributes, r.stack, r.size);
  if (error != 0) return error;
  donation.order = r;
  donation.flow = &flow;
  donation.published.store(0, std::memory_order_relaxed);
  donation.kernel_tid = 1;
  donation.back = nullptr;
  pthread_t handle;
  clone_trap::unmade_thread thread;
  error = create_donor(&handle, thread);
  if (error != 0 || thread.enter != nullptr) {
    donation.kernel_tid = 0;
    return error;
  }
  last_donation.store(now(), std::memory_order_relaxed);
  while (donation.published.load(std::memory_order_acquire) == 0)
    sys::futex_wait(&donation.published, 0);
  return 0;
}

bool donated_lately() {
  constexpr int64_t lately = 100'000'000;
  return now() - last_donation.load(std::memory_order_relaxed) < lately;
}

void retire(void* identity) {
  await_no_inspection();
  // join() waits for the id to become zero, unlinks the descriptor and frees what libc allotted to
  // it.
  *id_word(identity) = 0;
  void* result;
  libc.pthread_join(reinterpret_cast<pthread_t>(identity), &result);
}

int learn_layout() {
  if (id_offset != 0) return 0;
  auto* self = static_cast<char*>(fs_base::get());
  size_t at = find_id(self, static_cast<uint32_t>(sys::gettid()));
  void* head = nullptr;
  size_t size = 0;
  sys::call(SYS_get_robust_list, 0, sys::word(&head), sys::word(&size));
  auto robust_at = static_cast<size_t>(static_cast<char*>(head) - self);
  if (at == 0 || robust_at >= descriptor_scan) return ENOTSUP;
  id_offset = at;
  robust_offset = robust_at;
  return 0;
}

void detach_main() {
  unregister_rseq(static_cast<char*>(fs_base::get()));
  sys::call(SYS_set_robust_list, sys::word(&no_robust_mutexes), sizeof no_robust_mutexes);
}

void set_id(void* identity, uint32_t id) { *id_word(identity) = id; }
uint32_t id_of(void* identity) { return *id_word(identity); }

namespace {

std::atomic<uint64_t> next_id{0};

}  // namespace

void redraw_ids() {
  uint32_t start = 0;
  if (sys::call(SYS_getrandom, sys::word(&start), sizeof start, GRND_NONBLOCK) < 0)
    start = static_cast<uint32_t>(now()) * 2654435761u;
  next_id.store(start % id_range + 1, std::memory_order_relaxed);
}

void forget_all(void* left) {
  donation_lock.reset();
  donation.kernel_tid = 0;
  redraw_ids();
  if (left != nullptr) unregister_rseq(static_cast<char*>(left));
}

uint32_t fresh_id() {
  if (next_id.load(std::memory_order_relaxed) == 0) redraw_ids();
  return lowest_id +
         static_cast<uint32_t>(next_id.fetch_add(1, std::memory_order_relaxed) % id_range);
}

void hand_over_robust_mutexes(uint32_t id) {
  auto* self = static_cast<char*>(fs_base::get());
  auto* head = reinterpret_cast<robust_list_head*>(self + robust_offset);
  // Bit 0 of a link marks a priority-inheriting mutex.
  auto plain = [](robust_list* entry) {
    return reinterpret_cast<robust_list*>(reinterpret_cast<uintptr_t>(entry) & ~1ul);
  };
  constexpr int limit = 2048;  // the kernel's ROBUST_LIST_LIMIT: a damaged list must not loop
  robust_list* entry = plain(head->list.next);
  for (int i = 0; i < limit && entry != &head->list; ++i) {
    robust_list* next = plain(entry->next);
    auto* word = reinterpret_cast<std::atomic<uint32_t>*>(reinterpret_cast<char*>(entry) +
                                                          head->futex_offset);
    uint32_t owner = word->load(std::memory_order_relaxed);
    if ((owner & FUTEX_TID_MASK) == id) {
      word->store((owner & FUTEX_WAITERS) | FUTEX_OWNER_DIED, std::memory_order_seq_cst);
      // The lock word is the first member of pthread_mutex_t, which is what fibers wait on.
      lot::unpark(word, ~0u);
      sys::call(SYS_futex, sys::word(word), FUTEX_WAKE, 1);
    }
    entry = next;
  }
  head->list.next = &head->list;
}

}  // namespace vervet::identity
