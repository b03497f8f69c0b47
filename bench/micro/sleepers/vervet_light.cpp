// Sleepers that are light fibers.
#include <vector>

#include <vervet/vervet.h>

#include "bench/micro/sleepers/report.h"

namespace {

void* sleep_once(void* woken) {
  if (vervet_sleep_for(sleep_time) == 0) ++*static_cast<long*>(woken);
  return nullptr;
}

long all(long count) {
  long woken = 0;
  std::vector<vervet_fiber*> made(static_cast<std::size_t>(count));
  for (vervet_fiber*& f : made)
    if (vervet_spawn(&f, nullptr, sleep_once, &woken) != 0) fail("vervet_spawn failed");
  if (vervet_joinall(made.data(), made.size(), VERVET_NEVER) != 0) fail("vervet_joinall failed");
  for (vervet_fiber* f : made) vervet_release(f);
  return woken;
}

}  // namespace

int main(int argc, char** argv) { return measure_sleepers(argc, argv, "vervet_light", all); }
