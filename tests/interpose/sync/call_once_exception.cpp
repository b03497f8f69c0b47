// std::call_once whose callable throws: the next caller tries again.
#include "../check.h"

#include <atomic>
#include <chrono>
#include <mutex>
#include <stdexcept>
#include <thread>
#include <vector>

int main() {
  std::once_flag flag;
  std::atomic<int> attempts{0}, caught{0}, passed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      try {
        std::call_once(flag, [&] {
          const int attempt = ++attempts;
          std::this_thread::sleep_for(std::chrono::milliseconds(2));
          if (attempt <= 5) throw std::runtime_error("not yet");
        });
        ++passed;
      } catch (const std::runtime_error&) {
        ++caught;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  say("attempts %d, caught %d, passed %d", attempts.load(), caught.load(), passed.load());
}
