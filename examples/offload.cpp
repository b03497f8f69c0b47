// Blocking work offloaded while the main fiber goes on: sleeps(10), ten sleeps that block a thread
// each, done in the time of one.
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include <vervet/thread_pool.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

constexpr auto nap = 100ms;

// Not vervet's: it blocks the kernel thread that calls it.
void blocking_sleep() { std::this_thread::sleep_for(nap); }

void sleeps(int n) {
  std::puts("start sleep");
  vervet::thread_pool executor(static_cast<unsigned>(n));
  std::vector<vervet::offloaded<void>> futures;
  for (int i = 0; i < n; ++i) futures.push_back(executor.submit(blocking_sleep));
  for (auto& future : futures) future.get();
  std::puts("end sleep");
}

int main() {
  auto begin = steady::now();
  auto wakeup = vervet::spawn(sleeps, 10);
  vervet::yield();  // sleeps(10) starts here

  std::puts("something else meanwhile");
  int turns = 0;
  while (!wakeup.join(10ms)) ++turns;
  std::printf("good morning: %s, %s\n", steady::now() - begin < 5 * nap ? "in one nap" : "late",
              turns > 1 ? "main was not blocked" : "main was blocked");

  // Where one result is wanted at once. Exceptions come across as well.
  std::printf("6 * 7 = %d\n", vervet::offload([] { return 6 * 7; }));
}
