// GNU Pth.
#pragma once

#include <mutex>

#include <pth.h>

#include "bench/micro/fail.h"
#include "bench/micro/flows/condition_queue.h"

struct flows {
  static constexpr const char* subject = "pth";
  static constexpr int64_t most = 1'000;  // its queues are sorted lists
  using handle = pth_t;

  static int run(int (*main)()) {
    if (!pth_init()) fail("pth_init failed");
    return main();
  }
  static handle spawn(void* (*entry)(void*), void* argument) {
    static pth_attr_t attributes = [] {
      pth_attr_t made = pth_attr_new();
      pth_attr_set(made, PTH_ATTR_STACK_SIZE, 64u * 1024);
      return made;
    }();
    pth_t made = pth_spawn(attributes, entry, argument);
    if (made == nullptr) fail("pth_spawn failed");
    return made;
  }
  static void join(handle& t) { pth_join(t, nullptr); }
  static void yield() { pth_yield(nullptr); }

  class mutex {
   public:
    mutex() { pth_mutex_init(&made_); }
    mutex(const mutex&) = delete;
    void lock() { pth_mutex_acquire(&made_, 0, nullptr); }
    void unlock() { pth_mutex_release(&made_); }
    pth_mutex_t* native_handle() { return &made_; }

   private:
    pth_mutex_t made_;
  };
  class condition {
   public:
    condition() { pth_cond_init(&made_); }
    condition(const condition&) = delete;
    void wait(std::unique_lock<mutex>& guard) {
      pth_cond_await(&made_, guard.mutex()->native_handle(), nullptr);
    }
    void notify_one() { pth_cond_notify(&made_, 0); }

   private:
    pth_cond_t made_;
  };
  using queue = condition_queue<mutex, condition>;
};
