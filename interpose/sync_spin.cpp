// Spin locks, which must let their holder run if it is a fiber without a carrier; and giving way.
#include "interpose/sync_common.h"

namespace vervet::interpose {
namespace {

// Tries before giving way. A holder on another carrier is done within a few; one that waits for a
// carrier never is.
constexpr int tries = 64;

bool spin(pthread_spinlock_t* l) {
  for (int i = 0; i < tries; ++i) {
    if (real().pthread_spin_trylock(l) == 0) return true;
    __builtin_ia32_pause();
  }
  return false;
}

}  // namespace
}  // namespace vervet::interpose

using namespace vervet::interpose;

EXPORT
int pthread_spin_lock(pthread_spinlock_t* l) noexcept {
  if (!vervet::on_fiber()) return real().pthread_spin_lock(l);
  while (!spin(l)) sync::yield_fiber();
  return 0;
}

EXPORT
int pthread_spin_trylock(pthread_spinlock_t* l) noexcept { return real().pthread_spin_trylock(l); }

EXPORT
int sched_yield() noexcept {
  if (!vervet::on_full_fiber()) [[unlikely]] {
    if (!vervet::on_fiber()) return real().sched_yield();
    sync::yield_fiber();
    return 0;
  }
  vervet::scheduler::yield();
  return 0;
}

EXPORT
void thrd_yield() {
  if (!vervet::on_fiber()) return real().thrd_yield();
  sync::yield_fiber();
}
