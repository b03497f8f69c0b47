// Cancellation. libc's own state is kept alongside, because a forked child goes on with it; but
// what the program hears is ours: libc's may be left from an earlier thread of the same identity.
#include "interpose/cancel.h"

#include "interpose/dormant.h"
#include "interpose/real.h"

using namespace vervet;
using namespace vervet::interpose;

namespace vervet::interpose {

void adopt_cancel_state() {
  int state;
  int type;
  real().pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
  real().pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &type);
  real().pthread_setcanceltype(type, nullptr);
  real().pthread_setcancelstate(state, nullptr);
  runtime_scope scope;
  fiber& self = *thread::self();
  cancel::set_disabled(self, state == PTHREAD_CANCEL_DISABLE);
  cancel::set_asynchronous(self, type == PTHREAD_CANCEL_ASYNCHRONOUS);
}

}  // namespace vervet::interpose

EXPORT int pthread_cancel(pthread_t handle) {
  fiber* target = threads_are_fibers() ? thread::of(handle) : nullptr;
  if (target == nullptr) return real().pthread_cancel(handle);
  runtime_scope scope;
  cancel::request(*target);
  return 0;
}

EXPORT int pthread_setcancelstate(int state, int* old) {
  int error = real().pthread_setcancelstate(state, old);
  if (error != 0 || !on_thread_fiber()) return error;
  runtime_scope scope;
  fiber& self = *thread::self();
  if (old != nullptr)
    *old = self.thread.cancel_disabled ? PTHREAD_CANCEL_DISABLE : PTHREAD_CANCEL_ENABLE;
  cancel::set_disabled(self, state == PTHREAD_CANCEL_DISABLE);
  return 0;
}

EXPORT int pthread_setcanceltype(int type, int* old) {
  int error = real().pthread_setcanceltype(type, old);
  if (error != 0 || !on_thread_fiber()) return error;
  runtime_scope scope;
  fiber& self = *thread::self();
  if (old != nullptr)
    *old = self.thread.cancel_asynchronous ? PTHREAD_CANCEL_ASYNCHRONOUS : PTHREAD_CANCEL_DEFERRED;
  cancel::set_asynchronous(self, type == PTHREAD_CANCEL_ASYNCHRONOUS);
  return 0;
}

EXPORT void pthread_testcancel() {
  if (!on_thread_fiber()) return real().pthread_testcancel();
  runtime_scope scope;
  cancellation_point();
}
