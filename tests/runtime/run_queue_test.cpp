#include "runtime/run_queue.h"

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace vervet;

class RunQueue : public testing::Test {
 protected:
  explicit RunQueue(size_t count = 20'000) : fibers_(new fiber[count]), count_(count) {
    for (size_t i = 0; i < count; ++i) fibers_[i].thread.number = i;
  }
  ~RunQueue() override { queue_.forget(); }

  std::unique_ptr<fiber[]> fibers_;
  size_t count_;
  run_queue queue_;
};

TEST_F(RunQueue, GivesInTheOrderOfComing) {
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.pop(), nullptr);
  for (size_t i = 0; i < 3; ++i) queue_.push(fibers_[i]);
  for (size_t i = 0; i < 3; ++i) EXPECT_EQ(queue_.pop(), &fibers_[i]);
  EXPECT_TRUE(queue_.empty());
}

TEST_F(RunQueue, KeepsTheOrderWhileItGrowsAndWraps) {
  size_t pushed = 0, popped = 0;
  // More go in than come out, so the ring grows at every offset.
  while (pushed + 7 < count_) {
    for (int i = 0; i < 7; ++i) queue_.push(fibers_[pushed++]);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(queue_.pop(), &fibers_[popped++]);
  }
  while (fiber* f = queue_.pop()) ASSERT_EQ(f, &fibers_[popped++]);
  EXPECT_EQ(popped, pushed);
}

TEST_F(RunQueue, OneWithoutThievesKeepsTheOrderAsWell) {
  queue_.set_alone(true);
  EXPECT_EQ(queue_.pop(), nullptr);
  size_t pushed = 0, popped = 0;
  while (pushed + 7 < count_) {
    for (int i = 0; i < 7; ++i) queue_.push(fibers_[pushed++]);
    for (int i = 0; i < 3; ++i) ASSERT_EQ(queue_.pop(), &fibers_[popped++]);
    ASSERT_EQ(queue_.size(), pushed - popped);
  }
  while (fiber* f = queue_.pop()) ASSERT_EQ(f, &fibers_[popped++]);
  EXPECT_EQ(popped, pushed);
}

TEST_F(RunQueue, ExchangingQueuesOneAndTakesTheFirst) {
  queue_.set_alone(true);
  EXPECT_EQ(queue_.exchange(fibers_[0]), nullptr);
  EXPECT_TRUE(queue_.empty());
  constexpr size_t ring = 5000;  // more than the smallest ring holds
  for (size_t i = 0; i < ring; ++i) queue_.push(fibers_[i]);
  size_t refused = 0;
  for (size_t i = ring; i < count_; ++i) {
    fiber* first = queue_.exchange(fibers_[i]);
    if (first == nullptr) {
      ++refused;
      ASSERT_EQ(queue_.size(), ring) << "and nothing was queued";
      queue_.push(fibers_[i]);
      first = queue_.pop();
    }
    ASSERT_EQ(first, &fibers_[i - ring]);
    ASSERT_EQ(queue_.size(), ring);
  }
  // It looks for room once a ring.
  EXPECT_LE(refused, (count_ - ring) / 1000);
}

TEST_F(RunQueue, AFullRingRefusesToExchange) {
  queue_.set_alone(true);
  // Whatever the first ring's capacity is, each size is met exactly.
  size_t refused = 0;
  for (size_t i = 0; i < 1100; ++i) {
    queue_.push(fibers_[i]);
    refused += queue_.exchange(fibers_[2000]) == nullptr;
    ASSERT_EQ(queue_.size(), i + 1);
  }
  EXPECT_GT(refused, 0u);
}

TEST_F(RunQueue, PeekingLooksBehindTheHead) {
  queue_.set_alone(true);
  EXPECT_EQ(queue_.peek(0), nullptr);
  for (size_t i = 0; i < 3; ++i) queue_.push(fibers_[i]);
  queue_.pop();
  EXPECT_EQ(queue_.peek(0), &fibers_[1]);
  EXPECT_EQ(queue_.peek(1), &fibers_[2]);
  EXPECT_EQ(queue_.peek(2), nullptr);
}

TEST_F(RunQueue, AThiefTakesTheOlderHalf) {
  run_queue thief;
  for (size_t i = 0; i < 9; ++i) queue_.push(fibers_[i]);
  EXPECT_EQ(queue_.steal_into(thief), &fibers_[0]);
  for (size_t i = 1; i < 5; ++i) EXPECT_EQ(thief.pop(), &fibers_[i]);
  EXPECT_EQ(thief.pop(), nullptr);
  for (size_t i = 5; i < 9; ++i) EXPECT_EQ(queue_.pop(), &fibers_[i]);
  EXPECT_EQ(queue_.steal_into(thief), nullptr);
  thief.forget();
}

TEST_F(RunQueue, EachComesOutOnceWhateverThievesDo) {
  constexpr int thieves = 3;
  constexpr int rounds = 20;
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::atomic<int>> seen(count_);
    std::atomic<size_t> taken{0};
    auto note = [&](fiber* f) {
      seen[f->thread.number].fetch_add(1, std::memory_order_relaxed);
      taken.fetch_add(1, std::memory_order_relaxed);
    };
    std::vector<std::thread> threads;
    for (int t = 0; t < thieves; ++t)
      threads.emplace_back([&] {
        run_queue own;
        while (taken.load(std::memory_order_relaxed) < count_) {
          if (fiber* f = queue_.steal_into(own)) note(f);
          while (fiber* f = own.pop()) note(f);
        }
        own.forget();
      });
    for (size_t i = 0; i < count_; ++i) {
      queue_.push(fibers_[i]);
      if (i % 3 == 0)
        if (fiber* f = queue_.pop()) note(f);
    }
    while (fiber* f = queue_.pop()) note(f);
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(taken.load(), count_);
    for (size_t i = 0; i < count_; ++i) ASSERT_EQ(seen[i].load(), 1) << "fiber " << i;
  }
}

}  // namespace
