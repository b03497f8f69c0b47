#include "runtime/timer_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
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

TEST(TimerQueue, EqualDeadlinesComeInTheOrderOfTheirAdding) {
  timer_queue queue;
  std::vector<timer_node> nodes(5000);
  for (timer_node& node : nodes) ASSERT_TRUE(queue.add(node, 7));
  for (size_t i = 0; i < nodes.size(); i += 3) queue.remove(nodes[i]);
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (i % 3 == 0) continue;
    ASSERT_EQ(queue.pop_due(7), &nodes[i]);
  }
  EXPECT_TRUE(queue.empty());
}

TEST(TimerQueue, TimeoutsOfSeveralLengthsPopInOrderWhicheverAreCancelled) {
  std::mt19937 random(20240602);
  timer_queue queue;
  constexpr deadline lengths[] = {10, 50, 1000, 1001, 3000, 7, 20'000};
  std::vector<timer_node> nodes(40'000);
  std::vector<deadline> due(nodes.size());
  deadline time = 1;
  size_t popped = 0, cancelled = 0;
  auto index_of = [&](timer_node* node) { return static_cast<size_t>(node - nodes.data()); };
  auto pop_until = [&](deadline until) {
    deadline before = 0;
    while (timer_node* node = queue.pop_due(until)) {
      size_t i = index_of(node);
      ASSERT_LE(before, due[i]);
      ASSERT_LE(due[i], until);
      ASSERT_FALSE(node->queued());
      before = due[i];
      ++popped;
    }
    ASSERT_GT(queue.earliest(), until);
  };
  for (size_t i = 0; i < nodes.size(); ++i) {
    time += random() % 3;
    due[i] = time + lengths[random() % std::size(lengths)];
    ASSERT_TRUE(queue.add(nodes[i], due[i]));
    // Most timeouts are cancelled: the latest, or any.
    timer_node& victim = random() % 2 == 0 ? nodes[i] : nodes[random() % (i + 1)];
    if (victim.queued()) {
      queue.remove(victim);
      ++cancelled;
      ASSERT_FALSE(victim.queued());
    }
    pop_until(time);
  }
  pop_until(never - 1);
  EXPECT_EQ(popped + cancelled, nodes.size());
  EXPECT_TRUE(queue.empty());
}

long resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  long all = 0, resident = 0;
  statm >> all >> resident;
  return resident * 4096;
}

TEST(TimerQueue, WhatIsCancelledAmongOthersLeavesItsPlace) {
  timer_queue queue;
  timer_node first, keepers[2];
  ASSERT_TRUE(queue.add(first, 1));
  std::vector<timer_node> nodes(1000);
  long before = resident_bytes();
  deadline when = 2;
  constexpr int rounds = 10'000;
  for (int round = 0; round < rounds; ++round) {
    for (timer_node& node : nodes) ASSERT_TRUE(queue.add(node, when++));
    ASSERT_TRUE(queue.add(keepers[round % 2], when++));
    for (timer_node& node : nodes) queue.remove(node);
    queue.remove(keepers[(round + 1) % 2]);
  }
  // All that were added would take 160 MB.
  EXPECT_LT(resident_bytes() - before, 16'000'000);
  EXPECT_EQ(queue.pop_due(never - 1), &first);
  EXPECT_EQ(queue.pop_due(never - 1), &keepers[(rounds - 1) % 2]);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace vervet
