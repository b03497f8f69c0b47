// Threads. The program knows nothing of vervet, and is also what runs under it.
#pragma once

#include <condition_variable>
#include <mutex>

#include <pthread.h>
#include <sched.h>

#include "bench/micro/fail.h"
#include "bench/micro/flows/condition_queue.h"

struct flows {
  static constexpr const char* subject = "threads";
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
};
