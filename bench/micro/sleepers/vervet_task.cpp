// Sleepers that are tasks of ours.
#include <chrono>
#include <vector>

#include <vervet/task.hpp>

#include "bench/micro/sleepers/report.h"

namespace {

vervet::task<> sleep_once(long& woken) {
  co_await vervet::after(std::chrono::nanoseconds(sleep_time));
  ++woken;
}

long all(long count) {
  long woken = 0;
  std::vector<vervet::running<>> made;
  for (long i = 0; i < count; ++i) made.push_back(vervet::start(sleep_once(woken)));
  for (vervet::running<>& r : made) r.join();
  return woken;
}

}  // namespace

int main(int argc, char** argv) { return measure_sleepers(argc, argv, "vervet_task", all); }
