#include "runtime/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace vervet {
namespace {

TEST(TimerQueue, IsEmptyAtFirst) {
  timer_queue queue;
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.earliest(), never);
  EXPECT_EQ(queue.pop_due(never), nullptr);
}

TEST(TimerQueue, RemovingANodeThatIsNotQueuedChangesNothing) {
  timer_queue queue;
  timer_node queued, other;
  ASSERT_TRUE(queue.add(queued, 5));
  queue.remove(other);
  EXPECT_EQ(queue.earliest(), 5);
}

TEST(TimerQueue, PopsOnlyWhatIsDue) {
  timer_queue queue;
  timer_node node;
  ASSERT_TRUE(queue.add(node, 10));
  EXPECT_EQ(queue.pop_due(9), nullptr);
  EXPECT_EQ(queue.pop_due(10), &node);
  EXPECT_FALSE(node.queued());
}

TEST(TimerQueue, PopsInOrderAfterRandomAddsAndRemoves) {
  std::mt19937 random(20240601);
  timer_queue queue;
  std::vector<timer_node> nodes(5000);
  std::vector<std::pair<deadline, timer_node*>> expected;
  for (timer_node& node : nodes) {
    deadline when = random() % 100000;
    ASSERT_TRUE(queue.add(node, when));
    expected.push_back({when, &node});
  }
  std::shuffle(expected.begin(), expected.end(), random);
  for (int i = 0; i < 2000; ++i) {
    queue.remove(*expected.back().second);
    expected.pop_back();
  }
  std::sort(expected.begin(), expected.end());
  for (auto& [when, node] : expected) {
    EXPECT_EQ(queue.earliest(), when);
    ASSERT_NE(queue.pop_due(never - 1), nullptr);
  }
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace vervet
