// Full fibers as pthreads: creation by donation, joining, ending, recycling; keys' destructors.
#pragma once

#include <pthread.h>

#include "runtime/deadline.h"
#include "runtime/door_export.h"
#include "runtime/fiber.h"

namespace vervet {

// The libc functions the runtime needs as libc has them. Filled by the preload library before the
// runtime wakes; in plain library use the linker's bindings serve.
struct libc_functions {
  decltype(&::pthread_create) pthread_create;
  decltype(&::pthread_join) pthread_join;
  decltype(&::pthread_exit) pthread_exit;
  decltype(&::pthread_setspecific) pthread_setspecific;
  decltype(&::pthread_getspecific) pthread_getspecific;
};
VERVET_DOOR extern libc_functions libc;

// Set by the preload library, null in plain library use: makes the process's threads full fibers, if
// they are not yet, before the first light one is spawned. Returns 0 or an error number.
VERVET_DOOR extern int (*wake_process)();

namespace thread {

struct options {
  size_t stack_size = 0;      // 0: the default
  size_t guard_size = stack_guard_size;
  void* stack = nullptr;      // the program's own stack (lowest address), of stack_size bytes
  bool detached = false;
  uint64_t signal_mask = 0;
  uint64_t affinity = 0;      // of the first 64 CPUs; 0: the creator's
  unsigned worker = 0;        // n > 0: begins on the n-th, if that can be
  spawn_call call = {};       // of the API's spawn
};

// The calling identity's full fiber (a light fiber's host counts); null on threads that are not ours.
VERVET_DOOR fiber* self();
// The full fiber that `handle` names; null for kernel threads that are not ours.
// The handle must be valid, as pthreads demands.
VERVET_DOOR fiber* of(pthread_t handle);
inline pthread_t handle_of(const fiber& f) {
  return reinterpret_cast<pthread_t>(f.flow.identity);
}
// The living fiber whose id is `id`, or null. Slow: for gettid-based calls.
VERVET_DOOR fiber* by_id(uint32_t id);

// Makes and starts a full fiber. Returns 0 or EAGAIN/EINVAL. Inside a runtime_scope.
VERVET_DOOR int create(pthread_t* handle, const options& o, void* (*start)(void*), void* argument);

// Waits for the end of `f`, collects the result and recycles it. 0, ETIMEDOUT, EBUSY (until ==
// at_once), EINVAL (detached or joined by another), EDEADLK. A cancellation point.
VERVET_DOOR int join(fiber& f, void** result, deadline until);
VERVET_DOOR int detach(fiber& f);

// Ends the calling full fiber; unwinds with libc's machinery, so cleanup handlers run.
// REQUIRES: in_runtime == 0.
[[noreturn]] VERVET_DOOR void exit(void* result);

// Ends the calling full fiber from its outermost frame, where nothing is left to unwind: how the main
// thread's fiber ends after pthread_exit. REQUIRES: in_runtime == 0.
[[noreturn]] VERVET_DOOR void end_current();

// Keys: libc keeps the values (they lie in each identity), we run the destructors.
VERVET_DOOR void key_created(pthread_key_t key, void (*destructor)(void*));
VERVET_DOOR void key_deleted(pthread_key_t key);

// For --stats.
VERVET_DOOR unsigned alive_most();
VERVET_DOOR uint64_t created();

// How many fibers are alive; visits each under the lock of the list.
VERVET_DOOR unsigned alive_count();
VERVET_DOOR void for_each_alive(void (*visit)(fiber& f, void* argument), void* argument);

// Where the id lies in libc's descriptor of a thread: for lock owners.
inline uint32_t self_id(const fiber& f) { return f.thread.id; }

// What tells the calling light fiber from the others on its identity, as the owner of a lock: from
// the same numbers as full fibers' ids. 0: the caller is none, and its identity's id is its own.
VERVET_DOOR uint32_t light_id();

}  // namespace thread
}  // namespace vervet
