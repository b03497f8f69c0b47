// Light fibers, as a C++ program uses them.
#pragma once

#include <vervet/vervet.hpp>

struct flows {
  static constexpr const char* subject = "vervet_light_cxx";
  static constexpr bool keeps_exceptions = true;  // C programs do not ask for it
  using handle = vervet::fiber<void*>;

  static int run(int (*main)()) { return main(); }
  static handle spawn(void* (*entry)(void*), void* argument) {
    return vervet::spawn(entry, argument);
  }
  static void join(handle& f) {
    f.join();
    f = handle();
  }
  static void yield() { vervet::yield(); }

  using event = vervet::event;
};
