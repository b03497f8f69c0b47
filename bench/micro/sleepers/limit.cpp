// Sleepers on the bare hub, with a bare heap for their deadlines.
#include <vector>

#include "bench/micro/bare_heap.h"
#include "bench/micro/bare_hub.h"
#include "bench/micro/sleepers/report.h"

namespace {

struct sleeper {
  bare::timer timer;  // first: the heap gives it back
  bare::fiber* fiber;
};

bare::heap deadlines;
long woken = 0;

void* sleep_once(void*) {
  sleeper self{{}, bare::here.current};
  deadlines.add(self.timer, monotonic_time() + sleep_time);
  bare::park();
  ++woken;
  return nullptr;
}

long all(long count) {
  std::vector<bare::fiber*> made;
  for (long i = 0; i < count; ++i) made.push_back(bare::spawn(sleep_once, nullptr));
  bare::yield();
  while (!deadlines.empty()) {
    int64_t due = deadlines.earliest();
    timespec until{due / 1'000'000'000, due % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
    int64_t now = monotonic_time();
    while (!deadlines.empty() && deadlines.earliest() <= now)
      bare::ready(reinterpret_cast<sleeper*>(deadlines.pop())->fiber);
    bare::yield();
  }
  for (bare::fiber* f : made) bare::join(f);
  return woken;
}

}  // namespace

int main(int argc, char** argv) { return measure_sleepers(argc, argv, "limit", all); }
