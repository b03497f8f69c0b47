// What a process occupies, by the kernel's account.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "bench/micro/fail.h"

// The number behind `key` in a file of /proc.
inline long proc_value(const char* path, const char* key) {
  std::FILE* file = std::fopen(path, "r");
  if (file == nullptr) fail("there is no /proc");
  char line[256];
  long value = -1;
  std::size_t length = std::strlen(key);
  while (value < 0 && std::fgets(line, sizeof line, file) != nullptr)
    if (std::strncmp(line, key, length) == 0) value = std::atol(line + length);
  std::fclose(file);
  if (value < 0) fail(key);
  return value;
}

struct resident {
  double rss = 1024.0 * proc_value("/proc/self/status", "VmRSS:");
  double page_tables = 1024.0 * proc_value("/proc/self/status", "VmPTE:");
  double kernel_stacks = 1024.0 * proc_value("/proc/meminfo", "KernelStack:");  // everybody's
  long threads = proc_value("/proc/self/status", "Threads:");
};

// Prints by how much `after` exceeds `before`, per flow. Kernel stacks count where the flows are
// kernel threads.
inline void print_growth(const char* subject, long count, const resident& before,
                         const resident& after) {
  auto print = [&](const char* metric, double bytes) {
    std::printf("row parked %s %ld %s %.0f B\n", subject, count, metric,
                bytes / static_cast<double>(count));
  };
  double rss = after.rss - before.rss, tables = after.page_tables - before.page_tables;
  double stacks = 0;
  if (after.threads - before.threads >= count) stacks = after.kernel_stacks - before.kernel_stacks;
  print("bytes", rss + tables + stacks);
  print("rss", rss);
  print("page_tables", tables);
  if (stacks > 0) print("kernel_stack", stacks);
}
