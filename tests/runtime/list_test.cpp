#include "runtime/list.h"

#include <gtest/gtest.h>

#include <vector>

namespace vervet {
namespace {

struct element : list_hook {
  explicit element(int v) : value(v) {}
  int value;
  element* next_queued = nullptr;
};

std::vector<int> values(list<element>& l) {
  std::vector<int> result;
  for (element* e = l.front(); e != nullptr; e = l.after(e)) result.push_back(e->value);
  return result;
}

TEST(List, KeepsTheOrderOfBothEnds) {
  list<element> l;
  element one(1), two(2), three(3);
  EXPECT_TRUE(l.empty());
  l.push_front(&two);
  l.push_back(&three);
  l.push_front(&one);
  EXPECT_EQ(values(l), (std::vector<int>{1, 2, 3}));
}

TEST(List, UnlinksAKnownElement) {
  list<element> l;
  element one(1), two(2), three(3);
  for (element* e : {&one, &two, &three}) l.push_back(e);
  list<element>::remove(&two);
  EXPECT_FALSE(two.linked());
  EXPECT_EQ(values(l), (std::vector<int>{1, 3}));
  EXPECT_EQ(l.pop_front(), &one);
  EXPECT_EQ(l.pop_front(), &three);
  EXPECT_EQ(l.pop_front(), nullptr);
}

TEST(Fifo, GivesBackInOrderAlsoAfterItWasEmptied) {
  fifo<element> queue;
  element one(1), two(2);
  EXPECT_EQ(queue.pop(), nullptr);
  queue.push(&one);
  EXPECT_EQ(queue.pop(), &one);
  queue.push(&two);
  queue.push(&one);
  EXPECT_EQ(queue.pop(), &two);
  EXPECT_EQ(queue.pop(), &one);
  EXPECT_TRUE(queue.empty());
}

}  // namespace
}  // namespace vervet
