// Kernel threads of the runtime's own, made by libc and no fiber: all signals blocked.
#pragma once

#include <pthread.h>
#include <stddef.h>

namespace vervet {

// Starts run(argument). Detached if `thread` is null, else it must be joined. `stack_size` 0: libc's
// default. 0 or an error number. Allocates.
int start_native_thread(pthread_t* thread, void* (*run)(void*), void* argument, size_t stack_size);

}  // namespace vervet
