// std::shared_mutex and the timed kinds, as libstdc++ builds them on pthreads.
#include "../check.h"

#include <chrono>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

template <typename Mutex>
void exclude(const char* name) {
  Mutex mutex;
  int value = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 20; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 50; ++round) {
        std::unique_lock lock(mutex);
        const int seen = value;
        if (round % 25 == 0) std::this_thread::sleep_for(200us);
        value = seen + 1;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  say("%s: %d", name, value);
}

template <typename Mutex>
bool tried_in_vain(Mutex& mutex, std::chrono::milliseconds limit) {
  bool vain = false;
  std::thread([&] {
    const auto began = std::chrono::steady_clock::now();
    vain = !mutex.try_lock_for(limit) && std::chrono::steady_clock::now() - began >= limit;
  }).join();
  return vain;
}

int main() {
  exclude<std::mutex>("mutex");
  exclude<std::recursive_mutex>("recursive_mutex");
  exclude<std::timed_mutex>("timed_mutex");
  exclude<std::recursive_timed_mutex>("recursive_timed_mutex");
  exclude<std::shared_mutex>("shared_mutex");
  exclude<std::shared_timed_mutex>("shared_timed_mutex");

  std::timed_mutex timed;
  std::lock_guard hold(timed);
  FACT("timed_mutex: try_lock_for gives up in time", tried_in_vain(timed, 50ms));
  std::shared_timed_mutex shared;
  shared.lock_shared();
  FACT("shared_timed_mutex: a writer gives up in time", tried_in_vain(shared, 50ms));
  bool joined_reader = false;
  std::thread([&] {
    joined_reader = shared.try_lock_shared();
    if (joined_reader) shared.unlock_shared();
  }).join();
  FACT("shared_timed_mutex: a reader joins", joined_reader);
  shared.unlock_shared();

  std::mutex first, second;
  int both = 0;
  std::vector<std::thread> crossing;
  for (int i = 0; i < 10; ++i) {
    crossing.emplace_back([&, i] {
      for (int round = 0; round < 50; ++round) {
        if (i % 2) {
          std::scoped_lock lock(first, second);
          ++both;
        } else {
          std::scoped_lock lock(second, first);
          ++both;
        }
      }
    });
  }
  for (auto& thread : crossing) thread.join();
  say("scoped_lock of two, either way round: %d", both);
}
