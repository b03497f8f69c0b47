// Fibers of vervet by its C interface, what waits by its C++ one: the part that light and full
// share.
#pragma once

#include <vervet/channel.hpp>
#include <vervet/condition_variable.hpp>
#include <vervet/mutex.hpp>
#include <vervet/queue.hpp>
#include <vervet/vervet.h>

#include "bench/micro/fail.h"

struct vervet_flows {
  using handle = vervet_fiber*;

  static handle spawn(void* (*entry)(void*), void* argument) {
    vervet_fiber* made = nullptr;
    if (vervet_spawn(&made, nullptr, entry, argument) != 0) fail("vervet_spawn failed");
    return made;
  }
  static void join(handle& f) {
    if (vervet_join(f, nullptr, VERVET_NEVER) != 0) fail("vervet_join failed");
    vervet_release(f);
  }
  static void yield() { vervet_yield(); }

  using mutex = vervet::mutex;
  using condition = vervet::condition_variable;
  using queue = vervet::queue<long>;
  using channel = vervet::channel<long>;
};
