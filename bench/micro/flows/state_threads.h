// State Threads. It has no yield; a sleep of no time is what its programs use.
#pragma once

#include <mutex>

#include <st.h>

#include "bench/micro/fail.h"
#include "bench/micro/flows/condition_queue.h"

struct flows {
  static constexpr const char* subject = "state_threads";
  using handle = st_thread_t;

  static int run(int (*main)()) {
    st_set_eventsys(ST_EVENTSYS_ALT);  // epoll
    if (st_init() != 0) fail("st_init failed");
    return main();
  }
  static handle spawn(void* (*entry)(void*), void* argument) {
    st_thread_t made = st_thread_create(entry, argument, 1, 64 * 1024);
    if (made == nullptr) fail("st_thread_create failed");
    return made;
  }
  static void join(handle& t) { st_thread_join(t, nullptr); }
  static void yield() { st_usleep(0); }

  class mutex {
   public:
    void lock() { st_mutex_lock(made_); }
    void unlock() { st_mutex_unlock(made_); }
    mutex() = default;
    mutex(const mutex&) = delete;
    ~mutex() { st_mutex_destroy(made_); }

   private:
    st_mutex_t made_ = st_mutex_new();
  };
  class condition {
   public:
    void wait(std::unique_lock<mutex>& guard) {
      guard.unlock();  // nobody runs before the wait begins
      st_cond_wait(made_);
      guard.lock();
    }
    void notify_one() { st_cond_signal(made_); }
    condition() = default;
    condition(const condition&) = delete;
    ~condition() { st_cond_destroy(made_); }

   private:
    st_cond_t made_ = st_cond_new();
  };
  using queue = condition_queue<mutex, condition>;
};
