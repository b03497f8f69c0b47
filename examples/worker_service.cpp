// A service that runs label jobs: eight at a time, each attempt within its time, failures tried
// again after a pause that doubles, and a bar that shows how far it is.
//
//     worker_service [SEED]    the same seed, the same report
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <unistd.h>

#include <vervet/pool.hpp>
#include <vervet/time.hpp>
#include <vervet/timeout.hpp>

namespace {

using namespace std::chrono_literals;

constexpr int jobs = 40;
constexpr int most_attempts = 3;
constexpr auto attempt_time = 150ms;

struct result {
  int attempts = 0;
  std::string end;
};

// One attempt at labelling: stands for a query that takes its time, fails now and then, or hangs.
int label(std::mt19937& random) {
  auto takes = std::chrono::milliseconds(2 + random() % 15);
  unsigned luck = random() % 16;
  vervet::sleep_for(luck == 0 ? 1h : takes);
  if (luck < 5) throw std::runtime_error("connection lost");
  return static_cast<int>(random() % 1000);
}

result run_job(unsigned seed, int number) {
  std::mt19937 random(seed * 1000 + static_cast<unsigned>(number));
  result r;
  for (auto pause = 5ms;; pause *= 2) {
    ++r.attempts;
    try {
      if (auto labels = vervet::with_timeout(attempt_time, [&] { return label(random); }))
        return {r.attempts, std::to_string(*labels) + " labels"};
      r.end = "failed: timed out";
    } catch (const std::exception& error) {
      r.end = std::string("failed: ") + error.what();
    }
    if (r.attempts == most_attempts) return r;
    vervet::sleep_for(pause);
  }
}

// A bar that is drawn over itself; on what is no terminal a line each quarter.
class progress {
 public:
  void step() {
    ++done_;
    if (terminal_) {
      int width = 40 * done_ / jobs;
      std::printf("\r[%s%s] %d/%d", std::string(width, '#').c_str(),
                  std::string(40 - width, '.').c_str(), done_, jobs);
      if (done_ == jobs) std::printf("\n");
    } else if (done_ * 4 % jobs == 0) {
      std::printf("%d%% of %d jobs\n", done_ * 100 / jobs, jobs);
    }
    std::fflush(stdout);
  }

 private:
  int done_ = 0;
  bool terminal_ = isatty(STDOUT_FILENO) == 1;
};

}  // namespace

int main(int argc, char** argv) {
  unsigned seed = argc > 1 ? static_cast<unsigned>(std::atoi(argv[1])) : 1;
  std::vector<result> results(jobs);
  progress bar;
  vervet::pool workers(8);
  for (int number = 0; number < jobs; ++number)
    workers.spawn([&, number] {
      results[number] = run_job(seed, number);
      bar.step();
    });
  workers.join({}, true);
  for (int number = 0; number < jobs; ++number)
    std::printf("job %2d: %s, attempt %d\n", number, results[number].end.c_str(),
                results[number].attempts);
}
