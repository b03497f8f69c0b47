// The works that every subject does, on the flows of one of them: <subject>_bench is this file with
// its adapter. Instead, `<subject>_bench cold N` and `<subject>_bench alive N` measure the first N
// flows of a process.
#include VERVET_BENCH_FLOWS

#include <cstdlib>
#include <cstring>

#include "bench/micro/works/spawn.h"
#include "bench/micro/works/stack.h"
#include "bench/micro/works/switch.h"
#include "bench/micro/works/waiting.h"

namespace {

void (*first_flows)(int64_t) = nullptr;
long count = 0;

template <typename Flows>
void (*first_flows_of(const char* mode))(int64_t) {
  if (std::strcmp(mode, "cold") == 0) return spawning<Flows>::cold;
  if constexpr (requires { typename Flows::event; })
    if (std::strcmp(mode, "alive") == 0) return spawning<Flows>::alive;
  return nullptr;
}

int measure() {
  if (first_flows != nullptr) return first_flows(count), 0;
  switching<flows>::add();
  spawning<flows>::add();
  waiting<flows>::add();
  on_stack<flows>::add();
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3) first_flows = first_flows_of<flows>(argv[1]);
  if (first_flows != nullptr) {
    count = std::atol(argv[2]);
  } else {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  }
  return flows::run(measure);
}
