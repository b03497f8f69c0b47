// The works of flow_bench.cpp that coroutines can do, on the coroutines of one subject.
// `<subject>_bench cold N` measures the first N coroutines of a process instead.
#include VERVET_BENCH_FLOWS

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "bench/micro/clock.h"
#include "bench/micro/fail.h"
#include "bench/micro/works/work.h"

namespace {

using task = coroutines::task;
using handle = coroutines::handle;

struct ring {
  bool stop = false;
  int64_t turns = 0;
};

task turn(ring& r) {
  while (!r.stop) {
    ++r.turns;
    co_await coroutines::yield();
  }
}

task switching(benchmark::State& state) {
  ring r;
  std::vector<handle> others;
  for (int64_t i = 1; i < state.range(0); ++i) others.push_back(coroutines::start(turn(r)));
  co_await coroutines::yield();
  r.turns = 0;
  for (auto _ : state) {
    ++r.turns;
    co_await coroutines::yield();
  }
  state.SetItemsProcessed(r.turns);
  if (r.turns < state.range(0) * static_cast<int64_t>(state.iterations()))
    state.SkipWithError("not everybody had a turn in each round");
  r.stop = true;
  for (handle& other : others) co_await coroutines::join(other);
}

task count(int64_t& ran) {
  ++ran;
  co_return;
}

task one(benchmark::State& state) {
  int64_t ran = 0;
  for (auto _ : state) {
    handle made = coroutines::start(count(ran));
    co_await coroutines::join(made);
  }
  state.SetItemsProcessed(ran);
  if (ran != static_cast<int64_t>(state.iterations())) state.SkipWithError("not all ran");
}

task batch(std::vector<handle>& made, int64_t size, bool& good) {
  int64_t ran = 0;
  made.clear();
  for (int64_t i = 0; i < size; ++i) made.push_back(coroutines::start(count(ran)));
  for (handle& m : made) co_await coroutines::join(m);
  good = good && ran == size;
}

task warm(benchmark::State& state) {
  std::vector<handle> made;
  made.reserve(static_cast<std::size_t>(state.range(0)));
  bool good = true;
  co_await batch(made, state.range(0), good);
  for (auto _ : state) co_await batch(made, state.range(0), good);
  state.SetItemsProcessed(state.range(0) * static_cast<int64_t>(state.iterations()));
  if (!good) state.SkipWithError("not all ran");
}

task cold(int64_t size) {
  std::vector<handle> made;
  made.reserve(static_cast<std::size_t>(size));
  bool good = true;
  int64_t begin = cpu_time();
  co_await batch(made, size, good);
  int64_t spent = cpu_time() - begin;
  if (!good) fail("not all ran");
  std::printf("row spawn_cold %s %lld time %.1f ns\n", coroutines::subject,
              static_cast<long long>(size), static_cast<double>(spent) / static_cast<double>(size));
}

// N calls down, a switch, N returns: each call is a coroutine.
task descend(int64_t levels) {
  if (levels == 0)
    co_await coroutines::yield();
  else
    co_await descend(levels - 1);
}

task deep_turns(int64_t levels, ring& r) {
  while (!r.stop) {
    ++r.turns;
    co_await descend(levels);
  }
}

task depth(benchmark::State& state) {
  ring r;
  handle other = coroutines::start(deep_turns(state.range(0), r));
  for (auto _ : state) {
    ++r.turns;
    co_await descend(state.range(0));
  }
  state.SetItemsProcessed(r.turns);
  r.stop = true;
  co_await coroutines::join(other);
}

template <task (*Work)(benchmark::State&)>
void in_task(benchmark::State& state) {
  coroutines::run(Work(state));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "cold") == 0) {
    coroutines::run(cold(std::atol(argv[2])));
    return 0;
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (int64_t n : {2, 1'000, 10'000, 100'000})
    work("switch", coroutines::subject, in_task<switching>)->Arg(n);
  work("spawn_one", coroutines::subject, in_task<one>)->Arg(1);
  work("spawn_warm", coroutines::subject, in_task<warm>)->Arg(1'000)->Arg(100'000);
  for (int64_t n : {1, 10, 100}) work("depth", coroutines::subject, in_task<depth>)->Arg(n);
  benchmark::RunSpecifiedBenchmarks();
}
