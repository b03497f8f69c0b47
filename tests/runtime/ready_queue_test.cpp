// The ring of runnable flows: order, growth at every offset, what stands ahead.
#include "runtime/ready_queue.h"

#include <memory>

#include <gtest/gtest.h>

#include "runtime/fiber.h"

namespace {

using namespace vervet;

class ReadyQueue : public testing::Test {
 protected:
  fiber& flow(size_t i) { return fibers_[i]; }

  static constexpr size_t count = 3000;
  std::unique_ptr<fiber[]> fibers_{new fiber[count]};
  fiber round_end_;
  ready_queue queue_{round_end_};
};

TEST_F(ReadyQueue, HoldsTheEndOfTheRoundAndNothingElse) {
  EXPECT_TRUE(queue_.only_round_end());
  EXPECT_EQ(queue_.size(), 1u);
  EXPECT_EQ(&queue_.first(), &round_end_);
}

TEST_F(ReadyQueue, GivesInTheOrderOfComing) {
  queue_.push(flow(0));
  queue_.push(flow(1));
  EXPECT_FALSE(queue_.only_round_end());
  queue_.rotate();
  EXPECT_EQ(&queue_.pop(), &flow(0));
  EXPECT_EQ(&queue_.pop(), &flow(1));
  EXPECT_TRUE(queue_.only_round_end());
}

TEST_F(ReadyQueue, KeepsTheOrderWhileItGrowsAndWraps) {
  size_t pushed = 0, popped = 0;
  queue_.pop();  // so that all that comes are flows
  queue_.push(flow(pushed++));
  // More go in than come out, so the ring grows at many offsets.
  while (pushed + 7 < count) {
    for (int i = 0; i < 7; ++i) queue_.push(flow(pushed++));
    for (int i = 0; i < 5; ++i) ASSERT_EQ(&queue_.pop(), &flow(popped++));
    ASSERT_EQ(queue_.size(), pushed - popped);
  }
  while (popped != pushed) ASSERT_EQ(&queue_.pop(), &flow(popped++));
}

TEST_F(ReadyQueue, AFullOneHasAppendedAllTheSame) {
  size_t pushed = 0;
  while (queue_.append(flow(pushed++))) {
  }
  queue_.grow();
  EXPECT_EQ(queue_.size(), pushed + 1);
  EXPECT_EQ(&queue_.pop(), &round_end_);
  for (size_t i = 0; i < pushed; ++i) ASSERT_EQ(&queue_.pop(), &flow(i));
}

// Whatever there is ahead can be looked at: who comes, or somebody who was queued.
TEST_F(ReadyQueue, PeekingBeyondTheLastFindsSomebody) {
  auto expect_somebody = [&] {
    for (unsigned place = 0; place <= ready_queue::farthest; ++place) {
      const fiber* f = &queue_.peek(place);
      bool known = f == &round_end_ || (f >= fibers_.get() && f < fibers_.get() + count);
      ASSERT_TRUE(known) << place;
    }
  };
  expect_somebody();
  for (size_t i = 0; i < count; ++i) {
    queue_.push(flow(i));
    if (i % 3 == 0) queue_.rotate();
    expect_somebody();
  }
  queue_.push(flow(1));
  while (queue_.size() > 1) {
    queue_.pop();
    expect_somebody();
  }
}

TEST_F(ReadyQueue, ResetMakesItAsItWas) {
  for (size_t i = 0; i < count; ++i) queue_.push(flow(i));
  queue_.rotate();
  while (!queue_.only_round_end()) queue_.pop();
  queue_.reset();
  EXPECT_TRUE(queue_.only_round_end());
  EXPECT_EQ(&queue_.first(), &round_end_);
  EXPECT_EQ(&queue_.peek(ready_queue::farthest), &round_end_);
  for (size_t i = 0; i < count; ++i) queue_.push(flow(i));
  queue_.rotate();
  for (size_t i = 0; i < count; ++i) ASSERT_EQ(&queue_.pop(), &flow(i));
}

}  // namespace
