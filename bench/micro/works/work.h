// What every work is registered with: its name, CPU time of the whole process, a size.
#pragma once

#include <string>

#include <benchmark/benchmark.h>

// Registers `function` as WORK/SUBJECT/N. The time is the process's CPU time: all its threads'.
inline benchmark::internal::Benchmark* work(const char* name, const char* subject,
                                            void (*function)(benchmark::State&)) {
  std::string full = std::string(name) + "/" + subject;
  return benchmark::RegisterBenchmark(full.c_str(), function)->MeasureProcessCPUTime();
}
