// What the environment asks for: VERVET_WORKERS, VERVET_STACK_SIZE, VERVET_THREADS,
// VERVET_STATS, VERVET_TICK, VERVET_PERTURB; VERVET_MAX_BLOCKING_TIME is runtime/watchdog.h's.
// A program that was linked with this library (mode.h) is not asked: its threads are native.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vervet::interpose {

struct settings {
  unsigned workers = 1;
  size_t stack_size = 0;         // of threads whose program names none; 0: libc's default
  bool native_threads = false;   // leave every thread to libc: only light fibers find libc patched
  bool stats = false;
  int64_t tick = 10'000'000;     // nanoseconds
};

// Read once, when our constructor runs (or at the first thread, if that comes earlier). A value out of
// range ends the process with one line and status 2.
const settings& get_settings();

}  // namespace vervet::interpose
