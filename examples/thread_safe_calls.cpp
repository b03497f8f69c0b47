// What another thread may do with this thread's fibers: asyncio's call_soon_threadsafe and
// run_coroutine_threadsafe, and what they are for.
#include <chrono>
#include <cstdio>
#include <string>
#include <thread>

#include <vervet/event.hpp>
#include <vervet/hub.hpp>
#include <vervet/vervet.hpp>

using namespace std::chrono_literals;

int main() {
  vervet::hub home = vervet::hub::here();

  // call_soon_threadsafe: the function runs here, so what it touches needs no lock.
  int counter = 0;
  vervet::event counted;
  std::thread counts([&] {
    std::puts("sleep");
    std::this_thread::sleep_for(20ms);
    std::puts("post");
    for (int i = 0; i < 1000; ++i) home.post([&] { ++counter; });
    home.post([&] { counted.set(); });
  });
  counted.wait();
  std::printf("done: %d\n", counter);
  counts.join();

  // run_coroutine_threadsafe: a fiber here, its result there.
  vervet::event over;
  std::thread asks([&] {
    auto message = home.spawn(
        [](std::chrono::milliseconds time, std::string text) {
          vervet::sleep_for(time);
          std::puts(text.c_str());
          return text.size();
        },
        10ms, "message from other thread");
    std::printf("the other thread has its result: %zu\n", message.get());
    over.set();
  });
  over.wait();
  asks.join();

  // A hub whose thread has ended says so, instead of losing the call.
  vervet::hub gone;
  std::thread([&] { gone = vervet::hub::here(); }).join();
  try {
    gone.post([] { std::puts("never"); });
  } catch (const std::system_error& error) {
    std::printf("refused: %s\n", error.code().message().c_str());
  }
}
