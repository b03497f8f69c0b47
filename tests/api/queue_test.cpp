// queue.hpp
#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/queue.hpp>
#include <vervet/run.hpp>

namespace {

using namespace std::chrono_literals;

// Asks for its end, and does not wait for it.
void kill(const vervet::fiber<>& f) { f.kill(vervet::fiber_exit(), false); }

TEST(Queue, TaskDoneMoreOftenThanPutIsAnError) {
  vervet::queue<int> q;
  EXPECT_THROW(q.task_done(), std::logic_error);
  q.put(1);
  q.task_done();
  EXPECT_THROW(q.task_done(), std::logic_error);
}

TEST(Queue, GivesItemsOutInTheOrderTheyWerePut) {
  vervet::queue<int> q;
  for (int i = 0; i < 5; ++i) q.put(i);
  EXPECT_EQ(q.size(), 5u);
  EXPECT_FALSE(q.full());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(q.get(), i);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.try_get(), std::nullopt);
}

TEST(Queue, TheLifoQueueGivesTheLastFirst) {
  vervet::lifo_queue<int> q;
  for (int i = 0; i < 3; ++i) q.put(i);
  for (int i = 2; i >= 0; --i) EXPECT_EQ(q.get(), i);
}

TEST(Queue, ThePriorityQueueGivesTheLeastFirstAndEqualOnesInOrder) {
  struct by_first {
    bool operator()(const std::pair<int, char>& a, const std::pair<int, char>& b) const {
      return a.first < b.first;
    }
  };
  vervet::priority_queue<std::pair<int, char>, by_first> q;
  for (auto [key, name] : {std::pair{2, 'a'}, {1, 'z'}, {2, 'b'}, {1, 'y'}, {0, 'x'}, {1, 'w'}})
    q.put({key, name});
  std::string order;
  while (auto item = q.try_get()) order += item->second;
  EXPECT_EQ(order, "xzywab");
}

TEST(Queue, ThePriorityQueueTakesAnyCompare) {
  vervet::priority_queue<int, std::greater<>> greatest;
  for (int i : {1, 3, 2}) greatest.put(i);
  EXPECT_EQ(greatest.get(), 3);
  auto by_digit = [](int a, int b) { return a % 10 < b % 10; };
  using compare = decltype(by_digit);
  vervet::priority_queue<int, compare> q(0, vervet::detail::least_first<int, compare>(by_digit));
  for (int i : {13, 22, 41}) q.put(i);
  EXPECT_EQ(q.get(), 41);
}

TEST(Queue, CarriesWhatCanOnlyBeMoved) {
  vervet::queue<std::unique_ptr<int>> q(1);
  vervet::priority_queue<std::unique_ptr<int>> by_address;
  auto getter = vervet::spawn([&] { return *q.get() + *q.get() + *q.get(); });
  for (int i = 1; i <= 3; ++i) q.put(std::make_unique<int>(i));
  EXPECT_EQ(getter.get(), 6);
  by_address.put(std::make_unique<int>(4));
  EXPECT_EQ(*by_address.get(), 4);
  // It says of itself that it can be copied.
  vervet::queue<std::vector<std::unique_ptr<int>>> of_vectors;
  of_vectors.put({});
  EXPECT_TRUE(of_vectors.get().empty());
}

TEST(Queue, APutThatFailsLeavesTheItemWhereItWas) {
  vervet::queue<std::unique_ptr<int>> q(1);
  auto item = std::make_unique<int>(1);
  EXPECT_TRUE(q.try_put(std::move(item)));
  item = std::make_unique<int>(2);
  EXPECT_FALSE(q.try_put(std::move(item)));
  EXPECT_FALSE(q.put(std::move(item), 1ms));
  q.close();
  EXPECT_THROW(q.put(std::move(item)), vervet::queue_closed);
  ASSERT_TRUE(item != nullptr);
  EXPECT_EQ(*item, 2);
}

TEST(Queue, GettersAreServedInTheOrderTheyCame) {
  vervet::queue<int> q;
  std::vector<vervet::fiber<int>> getters;
  for (int i = 0; i < 4; ++i) getters.push_back(vervet::spawn([&] { return q.get(); }));
  vervet::yield();
  for (int i = 0; i < 4; ++i) q.put(i);
  EXPECT_TRUE(q.empty());
  for (int i = 0; i < 4; ++i) EXPECT_EQ(getters[i].get(), i);
}

TEST(Queue, PuttersWaitWhileItIsFullAndAreServedInTheOrderTheyCame) {
  vervet::queue<int> q(2);
  std::string done;
  std::vector<vervet::fiber<>> putters;
  for (int i = 0; i < 5; ++i)
    putters.push_back(vervet::spawn([&, i] {
      q.put(i);
      done += static_cast<char>('0' + i);
    }));
  vervet::yield();
  EXPECT_EQ(done, "01");
  EXPECT_TRUE(q.full());
  for (int i = 0; i < 5; ++i) EXPECT_EQ(q.get(), i);
  vervet::joinall(putters);
  EXPECT_EQ(done, "01234");
}

TEST(Queue, PeekCopiesTheNextItemAndLeavesIt) {
  vervet::queue<std::string> q;
  auto first = vervet::spawn([&] { return q.peek(); });
  auto second = vervet::spawn([&] { return q.peek(10s); });
  auto taker = vervet::spawn([&] { return q.get(); });
  vervet::yield();
  q.put("a");
  EXPECT_EQ(first.get(), "a");
  EXPECT_EQ(second.get(), "a");
  EXPECT_EQ(taker.get(), "a");
  EXPECT_EQ(q.peek(1ms), std::nullopt);
  q.put("b");
  EXPECT_EQ(q.peek(), "b");
  EXPECT_EQ(q.size(), 1u);
}

TEST(Queue, JoinWaitsUntilEachItemIsDone) {
  vervet::queue<int> q;
  EXPECT_TRUE(q.join());
  q.put(1);
  q.put(2);
  EXPECT_FALSE(q.join(1ms));
  auto worker = vervet::spawn([&] {
    for (int i = 0; i < 2; ++i) {
      q.get();
      vervet::yield();
      EXPECT_EQ(q.unfinished(), static_cast<std::size_t>(2 - i));
      q.task_done();
    }
  });
  auto also = vervet::spawn([&] { return q.join(10s); });
  EXPECT_TRUE(q.join());
  EXPECT_EQ(q.unfinished(), 0u);
  EXPECT_TRUE(also.get());
  worker.join();
}

TEST(Queue, IterationEndsWhenItIsClosedAndDrained) {
  vervet::queue<int> q;
  std::vector<int> seen[2];
  std::vector<vervet::fiber<>> readers;
  for (auto& s : seen)
    readers.push_back(vervet::spawn([&] {
      for (int& item : q) s.push_back(item);
    }));
  vervet::yield();
  for (int i = 0; i < 4; ++i) q.put(i);
  q.close();
  vervet::joinall(readers);
  EXPECT_EQ(seen[0].size() + seen[1].size(), 4u);
}

TEST(Queue, ACloseRefusesPutsAndLeavesWhatIsThere) {
  vervet::queue<int> q(1);
  q.put(1);
  auto putter = vervet::spawn([&] { EXPECT_THROW(q.put(2), vervet::queue_closed); });
  vervet::yield();
  q.close();
  q.close();
  EXPECT_TRUE(q.is_closed());
  putter.join();
  EXPECT_THROW(q.put(3), vervet::queue_closed);
  EXPECT_THROW(q.try_put(3), vervet::queue_closed);
  EXPECT_EQ(q.peek(), 1);
  EXPECT_EQ(q.get(), 1);
  EXPECT_THROW(q.get(), vervet::queue_closed);
  EXPECT_THROW(q.peek(), vervet::queue_closed);
  EXPECT_EQ(q.get(10s), std::nullopt);
}

TEST(Queue, ACloseWakesWhoeverWaitsToGet) {
  vervet::queue<int> q;
  auto throws = vervet::spawn([&] { EXPECT_THROW(q.get(), vervet::queue_closed); });
  auto peeks = vervet::spawn([&] { EXPECT_THROW(q.peek(), vervet::queue_closed); });
  auto nothing = vervet::spawn([&] { EXPECT_EQ(q.get(10s), std::nullopt); });
  vervet::yield();
  q.close();
  vervet::joinall(throws, peeks, nothing);
}

TEST(Queue, AnImmediateCloseDropsWhatIsLeftAndJoinReturns) {
  auto token = std::make_shared<int>(1);
  vervet::queue<std::shared_ptr<int>> q;
  q.put(token);
  q.put(token);
  q.get();
  auto joiner = vervet::spawn([&] { q.join(); });
  vervet::yield();
  q.close(true);
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_THROW(q.get(), vervet::queue_closed);
  EXPECT_FALSE(joiner.has_ended());
  q.task_done();
  joiner.join();
}

TEST(Queue, GetAndPutGiveUpAtTheirDeadline) {
  vervet::queue<int> q(1);
  EXPECT_EQ(q.get(1ms), std::nullopt);
  EXPECT_EQ(q.get(0ms), std::nullopt);
  EXPECT_TRUE(q.put(1, 1ms));
  EXPECT_FALSE(q.put(2, 1ms));
  EXPECT_FALSE(q.put(2, std::chrono::steady_clock::now()));
  EXPECT_EQ(q.get(1ms), 1);
  EXPECT_EQ(q.get(1ms), std::nullopt);
}

TEST(Queue, AKilledGetterTakesNothingAndLosesNothing) {
  vervet::queue<int> q;
  auto victim = vervet::spawn([&] { q.get(); });
  auto heir = vervet::spawn([&] { return q.get(); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.join(10s));
  q.put(5);
  EXPECT_EQ(heir.get(), 5);
}

TEST(Queue, AGetterThatIsServedBeforeItSeesItsKillHasTheItem) {
  vervet::queue<int> q;
  int got = 0;
  auto victim = vervet::spawn([&] {
    got = q.get();
    q.get();
  });
  vervet::yield();
  kill(victim);
  q.put(5);
  EXPECT_TRUE(victim.join(10s));
  EXPECT_EQ(got, 5);
}

TEST(Queue, AKilledPutterPutsNothing) {
  vervet::queue<int> q(1);
  q.put(1);
  auto victim = vervet::spawn([&] { q.put(2); });
  auto other = vervet::spawn([&] { q.put(3); });
  vervet::yield();
  kill(victim);
  EXPECT_TRUE(victim.join(10s));
  EXPECT_EQ(q.get(), 1);
  EXPECT_EQ(q.get(), 3);
  EXPECT_EQ(q.get(0ms), std::nullopt);
  EXPECT_EQ(q.unfinished(), 2u);
}

TEST(Queue, AnItemWhoseMoveThrowsStaysWithWhoPutIt) {
  struct fragile {
    int value = 0;
    bool* fails = nullptr;
    fragile(int v, bool* f) : value(v), fails(f) {}
    fragile(const fragile& from) : value(from.value), fails(from.fails) {
      if (*fails) throw std::runtime_error("no copy today");
    }
  };
  bool fails = false;
  vervet::queue<fragile> q(1);
  auto getter = vervet::spawn([&] { return q.get().value; });
  vervet::yield();
  fragile item(7, &fails);
  fails = true;
  EXPECT_THROW(q.put(std::move(item)), std::runtime_error);
  EXPECT_TRUE(q.empty());
  EXPECT_EQ(q.unfinished(), 0u);
  fails = false;
  q.put(std::move(item));
  EXPECT_EQ(getter.get(), 7);
  // Nor does a putter that cannot be served keep those behind it waiting.
  bool first_fails = false;
  q.put(fragile(1, &fails));
  auto first = vervet::spawn([&] {
    fragile mine(2, &first_fails);
    EXPECT_THROW(q.put(std::move(mine)), std::runtime_error);
  });
  auto second = vervet::spawn([&] {
    fragile mine(3, &fails);
    q.put(std::move(mine));
  });
  vervet::yield();
  first_fails = true;
  EXPECT_EQ(q.get().value, 1);
  EXPECT_EQ(q.get().value, 3);
  vervet::joinall(first, second);
}

TEST(Queue, TellsOfADeadlockWhenNobodyIsLeftToPut) {
  vervet::run({.workers = 2}, [] {
    vervet::sleep_for(20ms);  // kernel threads of the start have ended: nobody else can help
    vervet::queue<int> q;
    EXPECT_THROW(q.get(), vervet::would_block_forever);
    q.put(1);
    EXPECT_THROW(q.join(), vervet::would_block_forever);
    EXPECT_EQ(q.get(), 1);
  });
}

}  // namespace
