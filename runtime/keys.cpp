// Thread-specific data: libc keeps the values in each identity, we run the destructors at a fiber's end.
#include <atomic>
#include <limits.h>

#include "runtime/thread.h"
#include "runtime/thread_internal.h"

// libc's own table (GLIBC_PRIVATE), which knows every key, also those made where nothing is interposed.
// A sequence number is odd while its key lives.
struct libc_key {
  unsigned long sequence;
  void (*destructor)(void*);
};
extern "C" libc_key __pthread_keys[] __attribute__((weak));

namespace vervet::thread {
namespace {

// What key_created() told, for a libc without that table.
struct key_entry {
  std::atomic<void (*)(void*)> destructor;
  std::atomic<bool> live;
};

key_entry keys[PTHREAD_KEYS_MAX];
std::atomic<unsigned> highest_key{0};

// libc hands out the lowest free key: behind one that was never used there are only such.
unsigned key_limit() {
  if (__pthread_keys == nullptr) return highest_key.load(std::memory_order_acquire) + 1;
  unsigned limit = 0;
  while (limit < PTHREAD_KEYS_MAX && __pthread_keys[limit].sequence != 0) ++limit;
  return limit;
}

bool is_live(unsigned key) {
  if (__pthread_keys == nullptr) return keys[key].live.load(std::memory_order_acquire);
  return __atomic_load_n(&__pthread_keys[key].sequence, __ATOMIC_ACQUIRE) % 2 != 0;
}

void (*destructor_of(unsigned key))(void*) {
  if (__pthread_keys == nullptr) return keys[key].destructor.load(std::memory_order_relaxed);
  return __pthread_keys[key].destructor;
}

bool run_round() {
  bool any = false;
  unsigned limit = key_limit();
  for (unsigned key = 0; key < limit; ++key) {
    if (!is_live(key)) continue;
    void* value = libc.pthread_getspecific(key);
    if (value == nullptr) continue;
    libc.pthread_setspecific(key, nullptr);
    auto destructor = destructor_of(key);
    if (destructor == nullptr) continue;
    destructor(value);
    any = true;
  }
  return any;
}

}  // namespace

void key_created(pthread_key_t key, void (*destructor)(void*)) {
  if (key >= PTHREAD_KEYS_MAX) return;
  keys[key].destructor.store(destructor, std::memory_order_relaxed);
  keys[key].live.store(true, std::memory_order_release);
  unsigned last = highest_key.load(std::memory_order_relaxed);
  while (key > last && !highest_key.compare_exchange_weak(last, key, std::memory_order_acq_rel)) {
  }
}

void key_deleted(pthread_key_t key) {
  if (key < PTHREAD_KEYS_MAX) keys[key].live.store(false, std::memory_order_release);
}

void run_key_destructors() {
  for (int round = 0; round < PTHREAD_DESTRUCTOR_ITERATIONS; ++round)
    if (!run_round()) return;
}

}  // namespace vervet::thread
