// C++20's latch, barrier and counting_semaphore.
#include "../check.h"

#include <atomic>
#include <barrier>
#include <chrono>
#include <latch>
#include <semaphore>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static void together(int count, auto body) {
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back(body, i);
  for (auto& thread : threads) thread.join();
}

int main() {
  std::latch latch(50);
  std::atomic<int> arrived{0}, early{0};
  together(50, [&](int) {
    ++arrived;
    latch.arrive_and_wait();
    early += arrived != 50;
  });
  say("latch: %d arrived, %d too early", arrived.load(), early.load());
  FACT("latch is open", latch.try_wait());

  int phases = 0;
  std::atomic<int> inside{0}, wrong{0};
  std::barrier barrier(20, [&]() noexcept { ++phases; });
  together(20, [&](int) {
    for (int round = 0; round < 50; ++round) {
      ++inside;
      barrier.arrive_and_wait();
      // The next phase cannot end before this thread arrives again.
      wrong += phases != round + 1 || inside < 20 * (round + 1);
    }
  });
  say("barrier: %d phases, %d entered, %d wrong", phases, inside.load(), wrong.load());

  std::counting_semaphore<8> slots(3);
  std::atomic<int> users{0}, crowded{0}, served{0};
  together(40, [&](int) {
    slots.acquire();
    crowded += ++users > 3;
    std::this_thread::sleep_for(500us);
    --users;
    ++served;
    slots.release();
  });
  say("semaphore: %d served, %d times too many inside", served.load(), crowded.load());

  std::binary_semaphore closed(0);
  const auto began = std::chrono::steady_clock::now();
  FACT("try_acquire of zero", !closed.try_acquire());
  FACT("try_acquire_for gives up", !closed.try_acquire_for(50ms));
  FACT("  after at least 50 ms", std::chrono::steady_clock::now() - began >= 50ms);
  std::thread releaser([&] { closed.release(); });
  FACT("try_acquire_for in time", closed.try_acquire_for(9s));
  releaser.join();
}
