// A static local initialised across a blocking call: the guard (a futex in libstdc++) must hold
// the others back, and a throwing initialiser must let the next one try.
#include "../check.h"

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

static std::atomic<int> constructed{0}, attempts{0};

struct slow {
  slow() {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    value = ++constructed;
  }
  int value = 0;
};

struct reluctant {
  reluctant() {
    const int attempt = ++attempts;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    if (attempt <= 3) throw std::runtime_error("not yet");
  }
};

static slow& the_slow() {
  static slow instance;
  return instance;
}

static void the_reluctant() { static reluctant instance; }

int main() {
  std::atomic<int> right{0}, caught{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 50; ++i) {
    threads.emplace_back([&] {
      right += the_slow().value == 1;
      try {
        the_reluctant();
      } catch (const std::runtime_error&) {
        ++caught;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  say("constructed %d, seen complete by %d", constructed.load(), right.load());
  say("reluctant: attempts %d, thrown to %d", attempts.load(), caught.load());
}
