// queue.hpp: nothing is lost and nothing comes twice, whoever exchanges items with whom.
#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/queue.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int many = 300;
#else
constexpr int many = 3000;
#endif

// Asks for its end, and does not wait for it.
void kill(const vervet::fiber<>& f) { f.kill(vervet::fiber_exit(), false); }

// Producers and consumers of all kinds; some consumers are killed, and all use deadlines at times.
// Each item that was put is got once.
void exchange(unsigned seed, bool threads, std::size_t maxsize) {
  constexpr int producers = 4, consumers = 5;
  vervet::queue<int> q(maxsize);
  std::vector<std::atomic<int>> got(producers * many);
  std::atomic<int> put{0};
  auto produce = [&](int p) {
    std::minstd_rand random(seed * 100 + p);
    for (int i = 0; i < many; ++i) {
      int item = p * many + i;
      if (random() % 4 == 0)
        while (!q.put(item, std::chrono::microseconds(random() % 100))) {
        }
      else
        q.put(item);
      ++put;
      if (random() % 16 == 0) vervet::yield();
    }
  };
  auto consume = [&](int c) {
    std::minstd_rand random(seed * 200 + c);
    auto count = [&](int item) {
      ++got[item];
      q.task_done();
    };
    for (;;) {
      switch (random() % 3) {
        case 0:
          if (auto item = q.get(std::chrono::microseconds(random() % 100)))
            count(*item);
          else if (q.is_closed() && q.empty())
            return;
          break;
        case 1:
          if (auto item = q.try_get())
            count(*item);
          else
            vervet::yield();
          break;
        default: try { count(q.get());
          } catch (const vervet::queue_closed&) {
            return;
          }
      }
    }
  };
  // A consumer with victims: they are spawned, and killed while they wait or after.
  auto consume_and_kill = [&](int c) {
    std::minstd_rand random(seed * 300 + c);
    while (!(q.is_closed() && q.empty())) {
      auto victim = vervet::spawn([&] {
        for (;;) {
          auto item = q.get(1s);
          if (!item) return;
          ++got[*item];
          q.task_done();
        }
      });
      for (unsigned n = random() % 8; n > 0; --n) vervet::yield();
      kill(victim);
      victim.join();
    }
  };
  auto consumer = [&](int c) { c % 2 == 0 ? consume(c) : consume_and_kill(c); };

  if (threads) {
    std::vector<std::thread> all;
    auto two_of = [&](auto f, int first) {
      all.emplace_back([f, first] {
        vervet::joinall({vervet::spawn(f, first), vervet::spawn(f, first + 1)});
      });
    };
    two_of(consumer, 0);
    two_of(consumer, 2);
    all.emplace_back([&] { consumer(4); });
    two_of(produce, 0);
    std::thread plain([&] { produce(2); });
    auto here = vervet::spawn([&] { produce(3); });
    here.join();
    plain.join();
    all.back().join();
    all.pop_back();
    q.close();
    for (auto& t : all) t.join();
  } else {
    std::vector<vervet::fiber<>> put_by, got_by;
    for (int c = 0; c < consumers; ++c) got_by.push_back(vervet::spawn(consumer, c));
    for (int p = 0; p < producers; ++p) put_by.push_back(vervet::spawn(produce, p));
    vervet::joinall(put_by);
    q.close();
    vervet::joinall(got_by);
  }
  EXPECT_EQ(put, producers * many);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.unfinished(), 0u);
  EXPECT_TRUE(q.join());
  int wrong = 0;
  for (auto& g : got) wrong += g != 1;
  EXPECT_EQ(wrong, 0) << "seed " << seed;
}

TEST(QueueExchange, EachItemArrivesOnceBetweenFibersOfOneThread) {
  for (unsigned seed = 0; seed < 2; ++seed) exchange(seed, false, 3);
}

TEST(QueueExchange, EachItemArrivesOnceBetweenHubsAndThreads) {
  for (std::size_t maxsize : {0, 1, 7}) exchange(10 + maxsize, true, maxsize);
}

TEST(QueueExchange, EachItemArrivesOnceBetweenWorkersInRun) {
  for (std::size_t maxsize : {0, 1, 7})
    vervet::run({.workers = 2}, [maxsize] { exchange(20 + maxsize, false, maxsize); });
}

}  // namespace
