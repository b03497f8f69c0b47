// std::atomic's wait and notify, on the futex-sized type and on others (which share a proxy).
#include "../check.h"

#include <atomic>
#include <thread>
#include <vector>

template <typename T>
void turns(const char* name) {
  std::atomic<T> whose{0};
  std::atomic<int> total{0};
  auto play = [&](T me) {
    for (int i = 0; i < 500; ++i) {
      for (T seen; (seen = whose.load()) != me;) whose.wait(seen);
      ++total;
      whose = static_cast<T>(1 - me);
      whose.notify_one();
    }
  };
  std::thread even(play, T{0}), odd(play, T{1});
  even.join();
  odd.join();
  say("%s: %d turns", name, total.load());
}

int main() {
  turns<int>("int");
  turns<char>("char");
  turns<long>("long");

  std::atomic<int> gate{0}, through{0};
  std::vector<std::thread> crowd;
  for (int i = 0; i < 100; ++i) {
    crowd.emplace_back([&] {
      gate.wait(0);
      ++through;
    });
  }
  settle();
  FACT("nobody passes the closed gate", through == 0);
  gate = 1;
  gate.notify_all();
  for (auto& thread : crowd) thread.join();
  say("through: %d", through.load());

  std::atomic_flag flag;
  std::thread waiter([&] { flag.wait(false); });
  flag.test_and_set();
  flag.notify_all();
  waiter.join();
  say("atomic_flag done");
}
