// The results of calls for many items, one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <vector>

#include <vervet/fiber.hpp>
#include <vervet/group.hpp>
#include <vervet/pool.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::fiber;
using vervet::group;

std::vector<int> first(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

// 0, 1, 2 … for ever; `taken` is told of each.
struct counting {
  std::function<void(int)> taken;

  struct iterator {
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    counting* of = nullptr;
    int at = 0;

    int operator*() const {
      of->taken(at);
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    bool operator==(std::unreachable_sentinel_t) const { return false; }
  };
  iterator begin() { return {this, 0}; }
  std::unreachable_sentinel_t end() { return {}; }
};

TEST(Imap, ResultsComeInTheOrderOfItems) {
  group g;
  auto results = g.imap(
      [](int x) {
        vervet::sleep_for(std::chrono::milliseconds(3 - x));
        return std::to_string(x);
      },
      std::vector{0, 1, 2});
  static_assert(std::ranges::input_range<decltype(results)>);
  static_assert(!std::copyable<decltype(results)> && std::movable<decltype(results)>);
  std::string all;
  for (std::string& s : results) all += s;
  EXPECT_EQ(all, "012");
}

TEST(Imap, UnorderedResultsComeAsTheyEnd) {
  group g;
  std::vector<int> order;
  for (int x : g.imap_unordered(
           [](int x) {
             vervet::sleep_for(std::chrono::milliseconds(10 * (3 - x)));
             return x;
           },
           std::vector{0, 1, 2}))
    order.push_back(x);
  EXPECT_EQ(order, (std::vector{2, 1, 0}));
}

TEST(Imap, TakesNoMoreItemsThanItMayRun) {
  group g;
  int taken = 0;
  counting items{[&](int) { ++taken; }};
  auto results = g.imap([](int x) { return x; }, items, 3);
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(results.next(), 0);
  EXPECT_EQ(taken, 3);
  vervet::sleep_for(1ms);
  EXPECT_EQ(taken, 3);
  EXPECT_EQ(results.next(), 1);
  EXPECT_EQ(taken, 4);
}

TEST(Imap, AnErrorComesInItsItemsPlaceAndTheRestGoesOn) {
  group g;
  auto odd_fails = [](int x) {
    if (x % 2 == 1) throw std::runtime_error("odd");
    return x;
  };
  auto results = g.imap(odd_fails, std::vector{0, 1, 2});
  EXPECT_EQ(results.next(), 0);
  EXPECT_THROW(results.next(), std::runtime_error);
  EXPECT_EQ(results.next(), 2);
  EXPECT_EQ(results.next(), std::nullopt);
  EXPECT_EQ(results.next(), std::nullopt);

  auto again = g.imap(odd_fails, std::vector{1, 2});
  auto at = again.begin();
  EXPECT_THROW(*at, std::runtime_error);
  EXPECT_THROW(*at, std::runtime_error);
  ++at;
  EXPECT_EQ(*at, 2);
  EXPECT_TRUE(++at == again.end());
}

TEST(Imap, AnErrorOfTheRangeReachesWhoAsks) {
  group g;
  counting items{[](int x) {
    if (x == 1) throw std::out_of_range("item");
  }};
  auto results = g.imap([](int x) { return x; }, std::move(items), 1);
  EXPECT_EQ(results.next(), 0);
  EXPECT_THROW(results.next(), std::out_of_range);
  EXPECT_TRUE(g.empty());
}

TEST(Imap, AnErrorOfTheRangeLosesNoCallThatRuns) {
  for (bool in_order : {true, false}) {
    group g;
    int failures = 1;
    std::vector<int> numbers = first(4);
    auto items = numbers | std::views::transform([&](int x) {
                   if (x == 2 && failures-- > 0) throw std::out_of_range("item");
                   return x;
                 });
    auto identity = [](int x) {
      vervet::sleep_for(1ms);
      return x;
    };
    auto use = [](auto results) {
      EXPECT_THROW(results.next(), std::out_of_range);
      for (int x = 0; x < 4; ++x) EXPECT_EQ(results.next(), x);
      EXPECT_EQ(results.next(), std::nullopt);
    };
    if (in_order)
      use(g.imap(identity, items));
    else
      use(g.imap_unordered(identity, items));
  }
}

TEST(Imap, ItemsAndResultsNeedNotBeCopyable) {
  group g;
  std::vector<std::unique_ptr<int>> items;
  for (int i = 0; i < 2; ++i) items.push_back(std::make_unique<int>(i));
  auto results = g.imap([](std::unique_ptr<int> p) { return p; }, std::move(items));
  auto moved = std::move(results);
  std::unique_ptr<int> first = *moved.next();
  EXPECT_EQ(*first, 0);
  EXPECT_EQ(**moved.next(), 1);
}

TEST(Imap, NextGivesUpAtItsDeadlineAndMayBeAskedAgain) {
  group g;
  auto results = g.imap(
      [](int x) {
        vervet::sleep_for(5ms);
        return x;
      },
      std::vector{7});
  EXPECT_THROW(results.next(1ms), vervet::timed_out);
  EXPECT_EQ(results.next(), 7);
}

TEST(Imap, AKilledConsumerLeavesTheCallsInTheGroup) {
  group g;
  int ended = 0;
  auto consumer = vervet::spawn([&] {
    for (int x : g.imap_unordered(
             [&](int x) {
               vervet::sleep_for(2ms);
               return ended += x;
             },
             std::vector{1, 1, 1}))
      static_cast<void>(x);
  });
  vervet::yield();
  consumer.kill();
  EXPECT_TRUE(g.join());
  EXPECT_EQ(ended, 3);
}

TEST(Imap, ADiscardedCallsResultComesAllTheSame) {
  for (bool in_order : {true, false}) {
    vervet::pool two(2);
    auto slow = [](int x) {
      vervet::sleep_for(2ms);
      return x;
    };
    auto use = [&](auto results) {
      EXPECT_THROW(results.next(0ms), vervet::timed_out);
      for (auto& call : two.fibers()) EXPECT_TRUE(two.discard(call));
      EXPECT_EQ(two.free_count(), 2u);
      EXPECT_EQ(results.next(1s), 0);
      EXPECT_EQ(results.next(1s), 1);
      EXPECT_EQ(results.next(1s), std::nullopt);
    };
    if (in_order)
      use(two.imap(slow, first(2)));
    else
      use(two.imap_unordered(slow, first(2)));
    EXPECT_EQ(two.free_count(), 2u);
  }
}

TEST(Imap, AKilledCallIsToldAsGetTellsIt) {
  group g;
  auto results = g.imap(
      [](int x) {
        vervet::sleep_for(1h);
        return x;
      },
      std::vector{1});
  EXPECT_THROW(results.next(1ms), vervet::timed_out);
  g.kill();
  EXPECT_THROW(results.next(), vervet::fiber_exit);
  EXPECT_EQ(results.next(), std::nullopt);
}

TEST(Imap, APoolBoundsItAndOthersMayTakeTheRoom) {
  vervet::pool p(2);
  unsigned running = 0, most = 0;
  auto call = [&](int x) {
    most = std::max(most, ++running);
    vervet::sleep_for(std::chrono::microseconds(100 * (x % 3)));
    --running;
    return x;
  };
  auto other = p.spawn([] { vervet::sleep_for(1ms); });
  int sum = 0;
  for (int x : p.imap(call, first(20))) sum += x;
  for (int x : p.imap_unordered(call, first(20), 5)) sum += x;
  EXPECT_EQ(sum, 380);
  EXPECT_EQ(most, 2u);
}

}  // namespace
