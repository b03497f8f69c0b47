// std::thread and std::jthread: stop tokens, interruptible waits, joining on destruction.
#include "../check.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <stop_token>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
  std::atomic<int> ended{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 20; ++i) {
      threads.emplace_back([&](std::stop_token stop) {
        while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
        ++ended;
      });
    }
  }
  say("stopped and joined by their destructors: %d", ended.load());

  std::condition_variable_any never;
  std::mutex mutex;
  bool woken_by_stop = false;
  std::jthread waiter([&](std::stop_token stop) {
    std::unique_lock lock(mutex);
    woken_by_stop = !never.wait(lock, stop, [] { return false; });
  });
  settle();
  waiter.request_stop();
  waiter.join();
  FACT("a stop request ends a condition wait", woken_by_stop);

  std::atomic<bool> called{false};
  std::jthread with_callback([&](std::stop_token stop) {
    std::stop_callback callback(stop, [&] { called = true; });
    while (!stop.stop_requested()) std::this_thread::yield();
  });
  with_callback.request_stop();
  with_callback.join();
  FACT("the stop callback ran", called);

  std::thread one([] {});
  FACT("joinable", one.joinable());
  FACT("ids differ", one.get_id() != std::this_thread::get_id());
  one.join();
  FACT("not joinable any more", !one.joinable());
  try {
    one.join();
  } catch (const std::system_error& error) {
    FACT("joining again: invalid_argument", error.code() == std::errc::invalid_argument);
  }
  std::thread::id inside;
  std::thread two([&] { inside = std::this_thread::get_id(); });
  const auto outside = two.get_id();
  two.join();
  FACT("a thread's id is the same from inside and outside", inside == outside);
  FACT("hardware_concurrency is positive", std::thread::hardware_concurrency() > 0);
}
