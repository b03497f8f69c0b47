// What the tests of patched programs share.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <iterator>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/patched.hpp>
#include <vervet/spawn.hpp>

namespace patched_test {

using namespace std::chrono_literals;

// Of this process, at this moment.
inline int kernel_threads() {
  namespace fs = std::filesystem;
  return static_cast<int>(
      std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator{}));
}

inline std::chrono::milliseconds time_of(const std::function<void()>& work) {
  auto began = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               began);
}

// Runs `count` fibers of this thread, each f(its number), to their end.
inline void run_fibers(int count, const std::function<void(int)>& f) {
  std::vector<vervet::fiber<>> fibers;
  for (int i = 0; i < count; ++i) fibers.push_back(vervet::spawn([&f, i] { f(i); }));
  for (auto& one : fibers) one.get();
}

}  // namespace patched_test
