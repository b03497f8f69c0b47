// Boost.Fiber with its usual round-robin scheduler, stacks of one size from a pool.
#pragma once

#include <boost/fiber/buffered_channel.hpp>
#include <boost/fiber/condition_variable.hpp>
#include <boost/fiber/fiber.hpp>
#include <boost/fiber/fixedsize_stack.hpp>
#include <boost/fiber/mutex.hpp>
#include <boost/fiber/operations.hpp>
#include <boost/fiber/pooled_fixedsize_stack.hpp>
#include <boost/fiber/unbuffered_channel.hpp>

#include "bench/micro/flows/condition_event.h"

struct flows {
  static constexpr const char* subject = "boost_fiber";
  using handle = boost::fibers::fiber;

  static int run(int (*main)()) { return main(); }
  static handle spawn(void* (*entry)(void*), void* argument) {
    static boost::fibers::pooled_fixedsize_stack stacks(64 * 1024);
    return handle(std::allocator_arg, stacks, entry, argument);
  }
  // The pool would touch a second page of each stack.
  static handle spawn_parked(void* (*entry)(void*), void* argument) {
    return handle(std::allocator_arg, boost::fibers::fixedsize_stack(64 * 1024), entry, argument);
  }
  static void join(handle& f) { f.join(); }
  static void yield() { boost::this_fiber::yield(); }

  using mutex = boost::fibers::mutex;
  using condition = boost::fibers::condition_variable;
  using event = condition_event<mutex, condition>;

  class queue {
   public:
    explicit queue(std::size_t capacity) : items_(capacity) {}
    void put(long item) { items_.push(item); }
    long get() { return items_.value_pop(); }

   private:
    boost::fibers::buffered_channel<long> items_;
  };
  class channel {
   public:
    void put(long item) { items_.push(item); }
    long get() { return items_.value_pop(); }

   private:
    boost::fibers::unbuffered_channel<long> items_;
  };
};
