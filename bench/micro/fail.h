// How a benchmark ends that cannot go on.
#pragma once

#include <cstdio>
#include <cstdlib>

// Says what went wrong and ends the program with 1.
[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}
