// Exceptions thrown across blocking calls in 1,000 threads: each thread has its own caught and
// uncaught exceptions, whatever the others do while it is parked inside a catch or a destructor.
#include "../check.h"

#include <atomic>
#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static void pause_a_little(int seed) {
  std::this_thread::sleep_for(std::chrono::microseconds(200 + seed % 7 * 100));
}

struct checks_uncaught {
  checks_uncaught(int seed, std::atomic<int>& right) : seed(seed), right(right) {}
  ~checks_uncaught() {
    right += std::uncaught_exceptions() == 1;
    pause_a_little(seed);
    right += std::uncaught_exceptions() == 1;
    // An exception that comes and goes inside a destructor during unwinding.
    try {
      pause_a_little(seed);
      throw seed;
    } catch (int caught) {
      pause_a_little(seed);
      right += caught == seed && std::uncaught_exceptions() == 1;
    }
  }
  int seed;
  std::atomic<int>& right;
};

static void thrower(int seed, std::atomic<int>& right) {
  checks_uncaught guard(seed, right);
  pause_a_little(seed);
  throw std::runtime_error(std::to_string(seed));
}

int main() {
  std::atomic<int> unwound{0}, caught{0}, rethrown{0}, nested{0}, transported{0};
  std::vector<std::thread> threads;
  for (int seed = 0; seed < 1000; ++seed) {
    threads.emplace_back([&, seed] {
      const std::string name = std::to_string(seed);
      std::exception_ptr kept;
      try {
        try {
          thrower(seed, unwound);
        } catch (const std::runtime_error& error) {
          pause_a_little(seed);
          caught += error.what() == name && std::uncaught_exceptions() == 0;
          throw;
        }
      } catch (const std::exception& error) {
        rethrown += error.what() == name;
        kept = std::current_exception();
        pause_a_little(seed);
        try {
          std::throw_with_nested(std::logic_error("outer"));
        } catch (const std::logic_error& outer) {
          pause_a_little(seed);
          try {
            std::rethrow_if_nested(outer);
          } catch (const std::runtime_error& inner) {
            nested += inner.what() == name;
          }
        }
      }
      pause_a_little(seed);
      try {
        std::rethrow_exception(kept);
      } catch (const std::runtime_error& error) {
        transported += error.what() == name && std::current_exception() == kept;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  say("right in destructors: %d of 3000", unwound.load());
  say("caught %d, rethrown %d", caught.load(), rethrown.load());
  say("nested %d, transported %d", nested.load(), transported.load());
}
