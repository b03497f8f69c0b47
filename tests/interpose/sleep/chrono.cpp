// std::this_thread::sleep_for and sleep_until.
#include "../check.h"

#include <chrono>
#include <thread>

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

static void exercise() {
  auto began = steady::now();
  std::this_thread::sleep_for(50ms);
  FACT("sleep_for", steady::now() - began >= 50ms && steady::now() - began < 5s);
  const auto point = steady::now() + 50ms;
  std::this_thread::sleep_until(point);
  FACT("sleep_until, steady", steady::now() >= point);
  const auto wall = std::chrono::system_clock::now() + 50ms;
  std::this_thread::sleep_until(wall);
  FACT("sleep_until, system", std::chrono::system_clock::now() >= wall);
  began = steady::now();
  std::this_thread::sleep_for(-5s);
  std::this_thread::sleep_until(steady::now() - 5s);
  FACT("the past takes no time", steady::now() - began < 4s);
}

int main() {
  std::thread(exercise).join();
  exercise();
}
