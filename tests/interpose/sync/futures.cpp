// std::promise, future, shared_future, packaged_task and async.
#include "../check.h"

#include <chrono>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

int main() {
  std::promise<int> promise;
  std::future<int> future = promise.get_future();
  FACT("not ready yet", future.wait_for(30ms) == std::future_status::timeout);
  std::thread setter([&] { promise.set_value(42); });
  say("value: %d", future.get());
  setter.join();

  std::promise<void> failing;
  std::thread thrower(
      [&] { failing.set_exception(std::make_exception_ptr(std::runtime_error("from afar"))); });
  try {
    failing.get_future().get();
    say("no exception");
  } catch (const std::runtime_error& error) {
    say("exception: %s", error.what());
  }
  thrower.join();

  std::future<int> broken;
  {
    std::promise<int> forgotten;
    broken = forgotten.get_future();
  }
  try {
    broken.get();
  } catch (const std::future_error& error) {
    FACT("a forgotten promise is broken", error.code() == std::future_errc::broken_promise);
  }

  std::promise<int> gun;
  std::shared_future<int> shot = gun.get_future().share();
  std::vector<std::future<int>> runners;
  for (int i = 0; i < 50; ++i) {
    runners.push_back(std::async(std::launch::async, [shot, i] {
      std::this_thread::sleep_for(1ms);
      return shot.get() + i;
    }));
  }
  settle();
  gun.set_value(1000);
  int sum = 0;
  for (auto& runner : runners) sum += runner.get();
  say("50 async tasks: %d", sum);

  std::packaged_task<int(int)> task([](int x) { return x * x; });
  auto result = task.get_future();
  std::thread worker(std::move(task), 12);
  say("packaged task: %d", result.get());
  worker.join();

  std::promise<int> late;
  std::thread at_exit([&] { late.set_value_at_thread_exit(7); });
  say("at thread exit: %d", late.get_future().get());
  at_exit.join();
  auto lazy = std::async(std::launch::deferred, [] { return 5; });
  FACT("a deferred task says so", lazy.wait_for(0s) == std::future_status::deferred);
  say("deferred: %d", lazy.get());
}
