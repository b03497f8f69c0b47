// libc's pthread_create() without a kernel thread: its system calls are trapped (the kernel's
// syscall user dispatch), the one that would clone is answered as if it had, and who asked runs the
// new thread's beginning himself. So libc lays out, initialises and lists the thread as it does any
// other.
//
// Where that is not possible (no such feature, the signal SIGSYS is blocked, a libc that asks
// otherwise than is known) the call makes a kernel thread, as ever.
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

namespace vervet::clone_trap {

// The kernel thread that was not made: enter(argument) is what it would have run, on this stack and
// with this thread pointer.
struct unmade_thread {
  void* (*enter)(void*) = nullptr;  // null: it was made
  void* argument;
  char* stack;
  size_t stack_size;
  void* identity;
};

// One at a time. From begin() to end() the calling kernel thread's system calls can be trapped, but
// for ours. begin() returns false if that cannot be: then nothing has changed, and end() must not
// be called.
bool begin();
void end();

// In between: pthread_create(handle, attributes, start, null) of libc's. The thread's id, until it
// has another, is `id`. Returns 0 or an error number. A trap costs two microseconds, as a signal
// does: none is taken once the clone was answered, but until then the caller's mask is not what
// libc made it.
int create(pthread_t* handle, const pthread_attr_t& attributes, void* (*start)(void*), uint32_t id,
           unmade_thread& thread);

// From now to end(): what the thread's beginning tells the kernel of itself is not to reach it.
void trap_again();

}  // namespace vervet::clone_trap
