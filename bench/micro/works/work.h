// What every work is registered with: its name, CPU time of the whole process, a size.
#pragma once

#include <cstdint>
#include <string>

#include <benchmark/benchmark.h>

// The largest size that a subject is asked for.
template <typename Flows>
constexpr int64_t most() {
  if constexpr (requires { Flows::most; })
    return Flows::most;
  else
    return INT64_MAX;
}

// Registers `function` as WORK/SUBJECT/N. The time is the process's CPU time: all its threads'.
inline benchmark::internal::Benchmark* work(const char* name, const char* subject,
                                            void (*function)(benchmark::State&)) {
  std::string full = std::string(name) + "/" + subject;
  return benchmark::RegisterBenchmark(full.c_str(), function)->MeasureProcessCPUTime();
}
