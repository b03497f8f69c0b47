// Light fibers, as a C program uses them.
#pragma once

#include "bench/micro/flows/vervet.h"

struct flows : vervet_flows {
  static constexpr const char* subject = "vervet_light";
  static int run(int (*main)()) { return main(); }
};
