// Full fibers on one worker, as a C program uses them.
#pragma once

#include "bench/micro/flows/vervet.h"

struct flows : vervet_flows {
  static constexpr const char* subject = "vervet_full";
  static constexpr bool keeps_exceptions = true;

  static int run(int (*main)()) {
    struct call {
      int (*main)();
      int result;
    } inside{main, 1};
    auto enter = [](void* argument) -> void* {
      auto& c = *static_cast<call*>(argument);
      c.result = c.main();
      return nullptr;
    };
    vervet_run_options options{sizeof options, 1};
    if (vervet_run(&options, enter, &inside, nullptr) != 0) fail("vervet_run failed");
    return inside.result;
  }
};
