// Hubs as other threads know them: a handle outlives its hub.
#include <errno.h>
#include <new>
#include <sys/mman.h>

#include "runtime/hub_handle.h"
#include "runtime/light_hub.h"
#include "runtime/sys.h"
#include "runtime/thread_state.h"

using namespace vervet;

namespace vervet {
namespace {

constexpr size_t chunk_bytes = 4096;

lock pool_lock;
vervet_hub* free_handles;
uint32_t process_generation;

}  // namespace

vervet_hub* hub_handle::make(light_hub& hub) {
  lock_guard guard(pool_lock);
  if (free_handles == nullptr) {
    void* chunk =
        sys::map(nullptr, chunk_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    if (chunk == nullptr) return nullptr;
    auto* handles = static_cast<vervet_hub*>(chunk);
    for (size_t i = chunk_bytes / sizeof(vervet_hub); i-- > 0;) {
      handles[i].next_free = free_handles;
      free_handles = &handles[i];
    }
  }
  vervet_hub* made = free_handles;
  free_handles = made->next_free;
  new (made) vervet_hub;
  made->hub = &hub;
  made->process = process_generation;
  return made;
}

void hub_handle::acquire_all() { pool_lock.acquire(); }

void hub_handle::release_all() { pool_lock.release(); }

void hub_handle::forget_all() {
  pool_lock.reset();
  ++process_generation;
}

void hub_handle::hub_ends(vervet_hub& handle) {
  {
    lock_guard guard(handle.mutex);
    handle.hub = nullptr;
  }
  vervet_hub_release(&handle);
}

int hub_handle::spawn(vervet_hub& handle, vervet_fiber& record, const spawn_call& call,
                      size_t stack_size) {
  // Then the lock may be one that another thread held at the fork.
  if (handle.process != process_generation) return ESRCH;
  // The hub cannot end while the lock is held.
  lock_guard guard(handle.mutex);
  if (handle.hub == nullptr) return ESRCH;
  if (handle.hub == self_state.hub) return handle.hub->spawn(record, call, stack_size);
  return handle.hub->spawn_from_outside(record, call, stack_size);
}

vervet_hub* light_hub::handle() {
  if (handle_ != nullptr) return handle_;
  handle_ = hub_handle::make(*this);
  if (handle_ != nullptr) pin();
  return handle_;
}

}  // namespace vervet

vervet_hub* vervet_hub_here() {
  light_hub* hub = light_hub::here();
  if (hub == nullptr) return nullptr;
  runtime_scope scope;
  vervet_hub* handle = hub->handle();
  if (handle != nullptr) vervet_hub_retain(handle);
  return handle;
}

void vervet_hub_retain(vervet_hub* hub) { hub->references.fetch_add(1, std::memory_order_relaxed); }

void vervet_hub_release(vervet_hub* hub) {
  if (hub->references.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  runtime_scope scope;
  lock_guard guard(pool_lock);
  hub->next_free = free_handles;
  free_handles = hub;
}

int vervet_hub_post(vervet_hub* hub, vervet_watcher* outer) {
  runtime_scope scope;
  watcher& w = *new (outer->ours) watcher;
  w.outer = outer;
  if (hub->process != process_generation) return ESRCH;
  lock_guard guard(hub->mutex);
  if (hub->hub == nullptr) return ESRCH;
  w.hub = hub->hub;
  w.hub->fire(w);
  return 0;
}
