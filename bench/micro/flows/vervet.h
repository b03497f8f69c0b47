// Fibers of vervet by its C interface, what waits by its C++ one: the part that light and full
// share.
#pragma once

#include <atomic>

#include <vervet/abi.h>
#include <vervet/channel.hpp>
#include <vervet/condition_variable.hpp>
#include <vervet/event.hpp>
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
  using event = vervet::event;
  using queue = vervet::queue<long>;
  class channel {
   public:
    void put(long item) { items_.send(item); }
    long get() { return items_.receive().value(); }

   private:
    vervet::channel<long> items_;
  };

  class gate {
   public:
    void open() {
      open_.store(true);
      vervet_unpark(&open_, 1);
    }
    void wait() {
      while (!open_.exchange(false))
        vervet_park(&open_, still_closed, this, VERVET_NEVER, VERVET_PARK_UNCUT);
    }

   private:
    static int still_closed(void* self) { return !static_cast<gate*>(self)->open_.load(); }
    std::atomic<bool> open_{false};
  };

  static void offload(void* (*function)(void*), void* argument) {
    if (vervet_offload(function, argument, nullptr) != 0) fail("vervet_offload failed");
  }
};
