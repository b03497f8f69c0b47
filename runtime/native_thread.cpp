#include "runtime/native_thread.h"

#include <signal.h>

#include "runtime/thread.h"

namespace vervet {

int start_native_thread(pthread_t* thread, void* (*run)(void*), void* argument,
                        size_t stack_size) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error != 0) return error;
  sigset_t all;
  sigfillset(&all);
  pthread_attr_setsigmask_np(&attributes, &all);
  if (stack_size != 0) pthread_attr_setstacksize(&attributes, stack_size);
  if (thread == nullptr) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t unused;
  error = libc.pthread_create(thread != nullptr ? thread : &unused, &attributes, run, argument);
  pthread_attr_destroy(&attributes);
  return error;
}

}  // namespace vervet
