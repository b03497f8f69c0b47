// The works that every subject does, on the flows of one of them: <subject>_bench is this file with
// its adapter. `<subject>_bench cold N` measures the first N flows of a process instead.
#include VERVET_BENCH_FLOWS

#include <cstdlib>
#include <cstring>

#include "bench/micro/works/spawn.h"
#include "bench/micro/works/stack.h"
#include "bench/micro/works/switch.h"
#include "bench/micro/works/waiting.h"

namespace {

long cold = 0;

int measure() {
  if (cold > 0) return spawning<flows>::cold(cold);
  switching<flows>::add();
  spawning<flows>::add();
  waiting<flows>::add();
  on_stack<flows>::add();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "cold") == 0) {
    cold = std::atol(argv[2]);
  } else {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  }
  return flows::run(measure);
}
