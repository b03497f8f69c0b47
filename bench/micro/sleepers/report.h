// How sleepers are measured: all of them asleep for a second at the same time.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "bench/micro/clock.h"
#include "bench/micro/fail.h"

inline constexpr int64_t sleep_time = 1'000'000'000;

// `all(count)` makes that many, has each of them sleep once, waits for all and returns how many
// have woken. The whole program is this; its result is main()'s.
template <typename F>
int measure_sleepers(int argc, char** argv, const char* subject, F all) {
  long count = argc == 2 ? std::atol(argv[1]) : 0;
  if (count <= 0) fail("how many sleepers?");
  int64_t begin = monotonic_time(), cpu_begin = cpu_time();
  long woken = all(count);
  double elapsed = static_cast<double>(monotonic_time() - begin) / 1e9;
  double cpu = static_cast<double>(cpu_time() - cpu_begin) / 1e9;
  if (woken != count) fail("not all have woken");
  if (elapsed * 1e9 < static_cast<double>(sleep_time)) fail("nobody has slept");
  std::printf("row sleepers %s %ld elapsed %.3f s\n", subject, count, elapsed);
  std::printf("row sleepers %s %ld cpu %.3f s\n", subject, count, cpu);
  return 0;
}
