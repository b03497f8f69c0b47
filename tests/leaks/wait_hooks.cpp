#include "wait_hooks.h"

#include <atomic>

#include <vervet/event.hpp>
#include <vervet/spawn.hpp>
#include <vervet/timeout.hpp>

namespace test {
namespace {

std::atomic<std::uint64_t> victim{0};  // its vervet_self()
std::atomic<unsigned> left{0};
std::atomic<vervet_fiber*> handle{nullptr};
strike cut;
vervet::event reached;

void one_wait() {
  if (victim.load() != vervet_self() || left == 0 || --left != 0) return;
  victim = 0;
  if (cut == strike::before) vervet_kill(handle);
  reached.set();
}

}  // namespace

kth_wait::kth_wait(unsigned k, strike how) {
  left = k;
  cut = how;
  reached.clear();
  if (how == strike::during)
    killer_ = vervet::spawn([] {
      reached.wait();
      vervet_kill(handle);
    });
}

kth_wait::~kth_wait() {
  vervet::shield until_it_has_ended;
  if (killer_) killer_.kill();
  victim = 0;
  if (vervet_fiber* f = handle.exchange(nullptr)) vervet_release(f);
}

void kth_wait::watch_me() {
  vervet_fiber* self = vervet_current();
  vervet_retain(self);
  handle = self;
  victim = vervet_self();
}

bool kth_wait::was_reached() const { return reached.is_set(); }

}  // namespace test

#define WRAP(name, parameters, arguments) \
  int __real_##name parameters;           \
  int __wrap_##name parameters {          \
    test::one_wait();                     \
    return __real_##name arguments;       \
  }

extern "C" {
WRAP(vervet_park,
     (const void* address, int (*validate)(void*), void* argument, int64_t deadline,
      unsigned flags),
     (address, validate, argument, deadline, flags))
WRAP(vervet_join, (vervet_fiber * fiber, void** result, int64_t deadline),
     (fiber, result, deadline))
WRAP(vervet_yield, (void), ())
WRAP(vervet_idle, (void), ())
WRAP(vervet_sleep_for, (int64_t span), (span))
WRAP(vervet_sleep_until, (int64_t deadline), (deadline))
WRAP(vervet_wait_fd, (int fd, unsigned events, int64_t deadline), (fd, events, deadline))
WRAP(vervet_io,
     (int fd, unsigned events, ssize_t (*attempt)(void*), void* argument, size_t wanted,
      int64_t deadline, vervet_io_result* result),
     (fd, events, attempt, argument, wanted, deadline, result))
WRAP(vervet_thread_pool_apply,
     (vervet_thread_pool * pool, void* (*function)(void*), void* argument, void** result),
     (pool, function, argument, result))
WRAP(vervet_thread_pool_submit, (vervet_thread_pool * pool, vervet_job* job, int64_t deadline),
     (pool, job, deadline))
WRAP(vervet_thread_pool_join, (vervet_thread_pool * pool, int64_t deadline), (pool, deadline))
}
