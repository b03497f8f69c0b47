// Three workers share a queue of twenty jobs, each of which is a sleep. Once all are done the
// workers, who would wait for more for ever, are killed.
#include <chrono>
#include <iostream>
#include <random>
#include <vector>

#include <vervet/vervet.hpp>

using milliseconds = std::chrono::milliseconds;
using steady_clock = std::chrono::steady_clock;

struct report {
  int jobs = 0;
  bool killed = false;
};

report worker(vervet::queue<milliseconds>& jobs) {
  report mine;
  try {
    for (;; ++mine.jobs) {
      vervet::sleep_for(jobs.get());
      jobs.task_done();
    }
  } catch (const vervet::fiber_exit&) {
    mine.killed = true;  // what is here is done before it ends; usually nothing is
  }
  return mine;
}

int main() {
  vervet::queue<milliseconds> jobs;
  std::mt19937 random(20);
  milliseconds total{0};
  for (int i = 0; i < 20; ++i) {
    milliseconds nap(5 + random() % 46);
    total += nap;
    jobs.put(nap);
  }

  std::vector<vervet::fiber<report>> workers;
  for (int i = 0; i < 3; ++i) workers.push_back(vervet::spawn(worker, std::ref(jobs)));

  auto start = steady_clock::now();
  jobs.join();
  auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - start);

  vervet::killall(workers);

  int done = 0, killed = 0;
  for (auto& w : workers) {
    done += w.get().jobs;
    killed += w.get().killed;
  }
  std::cout << done << " jobs done by " << workers.size() << " workers, " << killed
            << " of them killed\n"
            << "slept one after the other: " << total.count() << " ms\n"
            << "slept side by side: " << (took * 2 < total ? "less than half of that" : "too long")
            << '\n';
  std::cerr << "(" << took.count() << " ms)\n";
}
