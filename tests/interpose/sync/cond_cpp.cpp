// The C++ condition variables over the pthread ones.
#include "../check.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

int main() {
  std::mutex mutex;
  std::condition_variable turned;
  bool on = false;

  std::unique_lock lock(mutex);
  const auto began = steady::now();
  FACT("wait_for times out", turned.wait_for(lock, 60ms) == std::cv_status::timeout);
  FACT("  after at least 60 ms", steady::now() - began >= 60ms);
  FACT("  owning the lock", lock.owns_lock());
  FACT("wait_until a past point times out",
       turned.wait_until(lock, steady::now() - 1s) == std::cv_status::timeout);
  FACT("wait_until the system clock times out",
       turned.wait_until(lock, std::chrono::system_clock::now() + 20ms) == std::cv_status::timeout);
  FACT("wait_for with a predicate says false", !turned.wait_for(lock, 20ms, [&] { return on; }));

  int woken = 0;
  std::vector<std::thread> waiters;
  for (int i = 0; i < 50; ++i) {
    waiters.emplace_back([&] {
      std::unique_lock mine(mutex);
      woken += turned.wait_for(mine, 9s, [&] { return on; });
    });
  }
  lock.unlock();
  settle();
  lock.lock();
  on = true;
  turned.notify_all();
  lock.unlock();
  for (auto& waiter : waiters) waiter.join();
  say("notify_all woke %d of 50", woken);

  std::condition_variable_any any;
  std::timed_mutex other;
  bool ready = false;
  std::thread notifier([&] {
    std::lock_guard guard(other);
    ready = true;
    any.notify_one();
  });
  {
    std::unique_lock guard(other);
    FACT("condition_variable_any", any.wait_for(guard, 9s, [&] { return ready; }));
  }
  notifier.join();

  bool ended = false;
  std::thread last([&] {
    std::unique_lock mine(mutex);
    ended = true;
    std::notify_all_at_thread_exit(turned, std::move(mine));
  });
  lock.lock();
  FACT("notify_all_at_thread_exit", turned.wait_for(lock, 9s, [&] { return ended; }));
  lock.unlock();
  last.join();
}
