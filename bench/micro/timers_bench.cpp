// Timers with a million pending, on the timers of one subject: <subject>_timers_bench is this file
// with its adapter. `rearm` cancels a random one and sets it anew. `<subject>_timers_bench fire N`
// lets N that are due within a millisecond fire instead.
#include VERVET_BENCH_TIMERS

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "bench/micro/clock.h"
#include "bench/micro/fail.h"
#include "bench/micro/works/work.h"

namespace {

constexpr int64_t second = 1'000'000'000;

// xorshift64: the same sequence for every subject, in every language.
uint64_t random_number() {
  static uint64_t state = 0x9E3779B97F4A7C15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

// Between one and two hours from `now`.
int64_t far_from(int64_t now) {
  return now + 3600 * second + static_cast<int64_t>(random_number() % (3600 * uint64_t{second}));
}

void rearm(benchmark::State& state) {
  auto count = static_cast<std::size_t>(state.range(0));
  // Kept: the benchmark is called several times.
  static std::unique_ptr<timers> pending;
  static std::size_t size = 0;
  static int64_t begun = monotonic_time();
  if (size != count) {
    size = count;
    pending.reset();
    pending = std::make_unique<timers>(count);
    for (std::size_t i = 0; i < count; ++i) pending->set(i, far_from(begun));
  }
  std::size_t turns = 0;
  for (auto _ : state) {
    std::size_t i = random_number() % count;
    pending->cancel(i);
    pending->set(i, far_from(begun));
    if (++turns % 1024 == 0) pending->settle();
  }
  pending->settle();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
  if (pending->fired() != 0) state.SkipWithError("a timer fired that was cancelled");
}

int fire(long count) {
  timers all(static_cast<std::size_t>(count));
  // Time to set them all; nothing is measured meanwhile.
  int64_t due = monotonic_time() + (timers::sleeps ? second / 20 + 3000 * count : 0);
  for (long i = 0; i < count; ++i)
    all.set(static_cast<std::size_t>(i), due + static_cast<int64_t>(random_number() % 1'000'000));
  int64_t begin = cpu_time();
  if (timers::sleeps && monotonic_time() >= due) fail("the first is due before the last is set");
  all.wait(due + 1'000'000);
  int64_t spent = cpu_time() - begin;
  if (all.fired() != count) fail("not all timers have fired");
  std::printf("row timer_fire %s %ld time %.1f ns\n", timers::subject, count,
              static_cast<double>(spent) / static_cast<double>(count));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "fire") == 0) return fire(std::atol(argv[2]));
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (int64_t n : {10'000, 1'000'000}) work("timer_rearm", timers::subject, rearm)->Arg(n);
  benchmark::RunSpecifiedBenchmarks();
}
