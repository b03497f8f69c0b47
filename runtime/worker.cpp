#include "runtime/worker.h"

#include <linux/membarrier.h>
#include <sys/mman.h>

#include "runtime/carrier.h"
#include "runtime/fiber.h"
#include "runtime/fs_base.h"
#include "runtime/lock.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

namespace vervet {
namespace {

bool has_membarrier;
char* barrier_page;

// Held while the monitor looks into an identity that may end meanwhile.
lock inspection;

// The word in_runtime of the identity that `f` runs on.
uint32_t in_runtime_of(const fiber& f) {
  auto offset = reinterpret_cast<char*>(&self_state) - static_cast<char*>(fs_base::get());
  auto* state = reinterpret_cast<thread_state*>(static_cast<char*>(f.flow.identity) + offset);
  return __atomic_load_n(&state->in_runtime, __ATOMIC_ACQUIRE);
}

// Decides a claim.
void set_epoch(worker& w, uint64_t epoch) {
  w.epoch.store(epoch, std::memory_order_release);
  sys::futex_wake(&w.epoch, INT32_MAX);
}

void pass(worker& w, uint64_t owned, carrier& heir) {
  heir.owned_epoch = owned + 2;
  w.owner.store(&heir, std::memory_order_relaxed);
  set_epoch(w, owned + 2);
  // Last: a heir whose kernel thread is only starting looks at it without having been called.
  std::atomic_ref(heir.owned).store(&w, std::memory_order_release);
}

}  // namespace

void barrier_on_every_cpu() {
  if (has_membarrier &&
      sys::call(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0)
    return;
  if (barrier_page == nullptr) return;
  // Without that call: taking a right away from a page that is in use makes the kernel interrupt
  // every CPU that runs this process, to drop what it has cached of the page table.
  sys::call(SYS_mprotect, sys::word(barrier_page), 4096, PROT_READ | PROT_WRITE);
  *const_cast<volatile char*>(barrier_page) = 1;
  sys::call(SYS_mprotect, sys::word(barrier_page), 4096, PROT_READ);
}

void ownership_start() {
  has_membarrier =
      sys::call(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  if (!has_membarrier && barrier_page == nullptr)
    barrier_page = static_cast<char*>(
        sys::map(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS));
}

void give_worker(worker& w, carrier& heir) {
  pass(w, w.epoch.load(std::memory_order_relaxed), heir);
}

bool runs_program(const worker& w, const carrier& from, uint32_t turn) {
  lock_guard guard(inspection);
  fiber* f = from.running.load(std::memory_order_acquire);
  return f != nullptr && in_runtime_of(*f) == 0 &&
         from.running.load(std::memory_order_acquire) == f &&
         w.turns.load(std::memory_order_acquire) == turn;
}

bool take_over(worker& w, carrier& from, uint32_t turn, carrier& heir) {
  uint64_t owned = w.epoch.load(std::memory_order_acquire);
  if (owned % 2 != 0 || w.owner.load(std::memory_order_relaxed) != &from) return false;
  if (!w.epoch.compare_exchange_strong(owned, owned + 1, std::memory_order_seq_cst)) return false;
  barrier_on_every_cpu();
  if (!runs_program(w, from, turn)) {
    set_epoch(w, owned);
    return false;
  }
  pass(w, owned, heir);
  return true;
}

void leave_worker_to(carrier& from, carrier& heir) {
  worker& w = *from.owned;
  // The monitor may have claimed it, and be about to find that it cannot have it.
  uint64_t owned = from.owned_epoch;
  while (!w.epoch.compare_exchange_strong(owned, owned + 1, std::memory_order_seq_cst)) {
    still_owns_worker(from);
    owned = from.owned_epoch;
  }
  from.owned = nullptr;
  pass(w, owned, heir);
}

bool still_owns_worker(carrier& c) {
  worker& w = *c.owned;
  for (;;) {
    uint64_t seen = w.epoch.load(std::memory_order_acquire);
    if (seen == c.owned_epoch) return true;
    if (seen != c.owned_epoch + 1) break;
    sys::futex_wait(&w.epoch, static_cast<uint32_t>(seen));
  }
  c.owned = nullptr;
  return false;
}

void await_no_inspection() { lock_guard guard(inspection); }

void ownership_forget() { inspection.reset(); }

}  // namespace vervet
