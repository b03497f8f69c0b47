// Child processes beside everything else: a pipeline fed line by line, five at a time with their
// outputs, one that takes too long and one that crashes.
#include <chrono>
#include <csignal>
#include <iostream>
#include <string>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/process.hpp>
#include <vervet/stream.hpp>

using namespace std::chrono_literals;
using vervet::process;
using vervet::standard;

int main() {
  // A conversation with a running program.
  process upper({"sed", "-u", "s/.*/<&>/"}, {.in = standard::pipe, .out = standard::pipe});
  vervet::stream to(upper.in()), from(upper.out());
  for (std::string word : {"one", "two"}) {
    to.write(word + "\n");
    to.flush();
    std::cout << from.read_line();
  }
  to.close();
  std::cout << "sed: " << upper.wait().code << '\n';

  // Side by side: five naps of 100 ms.
  auto start = std::chrono::steady_clock::now();
  std::vector<vervet::fiber<std::string>> naps;
  for (int i = 0; i < 5; ++i)
    naps.push_back(vervet::spawn([i] {
      return process::run({"sh", "-c", "sleep 0.1; cat"}, "nap " + std::to_string(i)).out;
    }));
  for (auto& nap : naps) std::cout << nap.get() << ' ';
  auto took = std::chrono::steady_clock::now() - start;
  std::cout << (took < 450ms ? "side by side\n" : "one by one\n");

  try {
    process::run({"sleep", "1000"}, "", 50ms);
  } catch (const vervet::timed_out&) {
    std::cout << "too slow, killed\n";
  }

  vervet::exit_status crash = process({"sh", "-c", "kill -SEGV $$"}).wait();
  std::cout << "ended by signal " << crash.signal
            << (crash.signal == SIGSEGV ? ", SIGSEGV\n" : "\n");
}
