// An OS thread sets a result that a fiber waits for. asyncio needs call_soon_threadsafe() for this,
// because a future belongs to one loop; an async_result belongs to nobody.
#include <chrono>
#include <cstdio>
#include <thread>

#include <vervet/async_result.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;

int main() {
  vervet::async_result<int> future;

  std::thread setter([&] {
    std::puts("sleep");
    std::this_thread::sleep_for(50ms);
    std::puts("set_result");
    future.set_value(42);
  });

  auto waiting = vervet::spawn([&] {
    int answer = future.get();
    std::printf("done: %d\n", answer);
  });
  int ticks = 0;
  auto ticking = vervet::spawn([&] {
    for (; !future.ready(); ++ticks) vervet::sleep_for(5ms);
  });

  vervet::joinall(waiting, ticking);
  setter.join();
  std::printf("others ran meanwhile: %s\n", ticks > 1 ? "yes" : "no");
}
