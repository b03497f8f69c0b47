// Child processes: what startup and the wrappers share.
#pragma once

#include <sys/types.h>

struct rusage;

namespace vervet::interpose {

// Registers the runtime's fork handlers, once. Before any other registration (process.cpp).
void fork_handlers_install();

// wait4 as fibers make it: the kernel's result. REQUIRES: on a fiber, inside exactly one
// runtime_scope. A cancellation point, and to be cut, only if `cancellable`.
long wait_for_child(pid_t pid, int* status, int options, rusage* usage, bool cancellable = true);

// In a forked child: nobody else is inside system() or popen() any more.
void spawn_forked_child();
void popen_forked_child();

}  // namespace vervet::interpose
