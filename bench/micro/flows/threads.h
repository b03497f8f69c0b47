// Threads. The program knows nothing of vervet, and is also what runs under it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench/micro/fail.h"
#include "bench/micro/flows/condition_event.h"
#include "bench/micro/flows/condition_queue.h"

struct flows {
  static constexpr const char* subject = "threads";
  static constexpr bool scheduled_by_kernel = true;
  static constexpr int64_t most = 1'000;  // the kernel takes its time for more
  using handle = pthread_t;

  static int run(int (*main)()) { return main(); }
  static handle spawn(void* (*entry)(void*), void* argument) {
    pthread_t made;
    if (pthread_create(&made, nullptr, entry, argument) != 0) fail("pthread_create failed");
    return made;
  }
  static void join(handle& t) { pthread_join(t, nullptr); }
  static void yield() { sched_yield(); }

  using mutex = std::mutex;
  using condition = std::condition_variable;
  using queue = condition_queue<mutex, condition>;

  using event = condition_event<mutex, condition>;

  class gate {
   public:
    void open() {
      open_.store(1);
      futex(FUTEX_WAKE_PRIVATE, 1);
    }
    void wait() {
      while (open_.exchange(0) == 0) futex(FUTEX_WAIT_PRIVATE, 0);
    }

   private:
    void futex(int operation, int value) {
      syscall(SYS_futex, &open_, operation, value, nullptr, nullptr, 0);
    }
    std::atomic<int> open_{0};
  };

  static constexpr bool keeps_exceptions = true;
};
