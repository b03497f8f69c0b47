// io_uring on a descriptor, for liburing's functions and for syscall().
#pragma once

struct io_uring_params;

namespace vervet::interpose {

// A ring is about to be made: one that is for a single kernel thread wires its maker.
void uring_will_be_made(const io_uring_params* params);

// A ring was made. REQUIRES: inside a runtime_scope.
void uring_made(int fd);

// Parks until the ring has a completion: 0 or a negated error number. REQUIRES: on a fiber, outside
// the runtime.
long uring_wait(int fd);

}  // namespace vervet::interpose
