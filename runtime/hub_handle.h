// A light hub's name for other threads: it outlives the hub, and then says so.
#pragma once

#include <atomic>
#include <stddef.h>
#include <stdint.h>

#include "runtime/fiber.h"
#include "runtime/lock.h"

struct vervet_fiber;

namespace vervet {
class light_hub;
}

struct vervet_hub {
  vervet::lock mutex;
  vervet::light_hub* hub = nullptr;      // null: its thread has ended. Guarded by the lock.
  std::atomic<uint32_t> references{1};   // one is the hub's
  uint32_t process = 0;                  // which fork generation its hub runs in
  vervet_hub* next_free = nullptr;
};

namespace vervet::hub_handle {

vervet_hub* make(light_hub& hub);
// By the hub's thread, at its end.
void hub_ends(vervet_hub& handle);
// 0, EAGAIN, EINVAL, ESRCH.
int spawn(vervet_hub& handle, vervet_fiber& record, const spawn_call& call, size_t stack_size);

// fork: holds the lock of the handles; no hub of the parent's is there in the child.
void acquire_all();
void release_all();
void forget_all();

}  // namespace vervet::hub_handle
