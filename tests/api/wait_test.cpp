#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <thread>
#include <vector>

#include <vervet/run.hpp>
#include <vervet/timeout.hpp>
#include <vervet/vervet.hpp>
#include <vervet/wait.hpp>

#include "gate.hpp"

namespace {

using namespace std::chrono_literals;
using test::gate;
using places = std::vector<std::size_t>;

TEST(Wait, ForAnEmptyRangeReturnsAtOnce) {
  std::vector<vervet::fiber<>> none;
  EXPECT_TRUE(vervet::wait(none).empty());
  for ([[maybe_unused]] auto& f : vervet::iwait(none)) ADD_FAILURE();
}

TEST(Wait, GivesTheObjectsInTheOrderTheyBecameReady) {
  auto slow = vervet::spawn([] {
    for (int i = 0; i < 3; ++i) vervet::yield();
  });
  auto quick = vervet::spawn([] {});
  std::vector<vervet::fiber<>> all{slow, quick};
  EXPECT_EQ(vervet::wait(all), (std::vector<vervet::fiber<>>{quick, slow}));
  EXPECT_EQ(vervet::wait(all), all);
}

TEST(Wait, TakesObjectsOfAllKindsAndDuplicates) {
  gate g, open;
  open.open();
  auto f = vervet::spawn([&] { g.open(); });
  EXPECT_EQ(vervet::wait(g, f, open, g), (places{2, 0, 3, 1}));
  auto shared = std::make_shared<gate>();
  shared->open();
  gate* pointer = shared.get();
  EXPECT_EQ(vervet::wait(shared, pointer), (places{0, 1}));
}

TEST(Wait, GivesPointersToWhatCannotBeCopied) {
  std::array<gate, 3> gates;
  gates[1].open();
  std::vector<gate*> ready = vervet::wait(gates, {.count = 1});
  EXPECT_EQ(ready, std::vector<gate*>{&gates[1]});
  for (auto& g : gates) EXPECT_FALSE(g.has_waiters());
}

TEST(Wait, ReturnsWhenAsManyAreReady) {
  gate never;
  auto a = vervet::spawn([] {});
  auto b = vervet::spawn([] { vervet::sleep_for(1ms); });
  EXPECT_EQ(vervet::wait({.count = 0}, never), places{});
  EXPECT_EQ(vervet::wait({.count = 1}, never, a, b), places{1});
  EXPECT_FALSE(b.ready());
  EXPECT_EQ(vervet::wait({.count = 2}, never, b, a), (places{2, 1}));
  EXPECT_FALSE(never.has_waiters());
}

TEST(Wait, ReturnsAtItsDeadlineWithWhatIsReady) {
  gate never;
  auto a = vervet::spawn([] {});
  EXPECT_EQ(vervet::wait({.timeout = 2ms}, never, a), places{1});
  EXPECT_EQ(vervet::wait({.timeout = 0ms}, never, a), places{1});
  EXPECT_FALSE(never.has_waiters());
  std::vector<gate*> some{&never};
  EXPECT_TRUE(vervet::wait(some, 1ms).empty());
}

TEST(Wait, IsCutAndLetsGoOfItsObjects) {
  gate never;
  auto f = vervet::spawn([&] { vervet::wait(never, never); });
  vervet::yield();
  EXPECT_TRUE(never.has_waiters());
  EXPECT_TRUE(f.kill());
  EXPECT_FALSE(never.has_waiters());
  vervet::timeout limit(1ms);
  EXPECT_THROW(vervet::wait(never), vervet::timeout_expired);
  EXPECT_FALSE(never.has_waiters());
}

TEST(Wait, ForWhatNeverComesIsToldSo) {
  gate never;
  auto f = vervet::spawn([&] { vervet::wait(never); });
  EXPECT_THROW(vervet::wait(never), vervet::would_block_forever);
  f.kill();
}

TEST(Iwait, YieldsEachAsItBecomesReadyAndLetsGoOfTheRest) {
  gate never;
  std::vector<gate> gates(3);
  std::vector<gate*> all{&gates[0], &gates[1], &gates[2], &never};
  auto opener = vervet::spawn([&] {
    for (int i : {2, 0, 1}) {
      gates[i].open();
      vervet::yield();
    }
  });
  std::vector<gate*> seen;
  auto ready = vervet::iwait(all);
  for (gate* g : ready) {
    seen.push_back(g);
    if (seen.size() == 3) break;
  }
  EXPECT_EQ(seen, (std::vector<gate*>{&gates[2], &gates[0], &gates[1]}));
  EXPECT_EQ(ready.left(), 1u);
  EXPECT_TRUE(never.has_waiters());
  {
    auto given_up = std::move(ready);
    static_assert(!std::copy_constructible<decltype(given_up)>);
  }
  EXPECT_FALSE(never.has_waiters());
  opener.join();
}

TEST(Iwait, EndsAtItsDeadline) {
  std::vector<vervet::fiber<>> all{vervet::spawn([] {}),
                                   vervet::spawn([] { vervet::sleep_for(1h); })};
  int seen = 0;
  for (auto& f : vervet::iwait(all, 2ms)) {
    EXPECT_TRUE(f == all[0]);
    ++seen;
  }
  EXPECT_EQ(seen, 1);
  vervet::killall(all);
}

TEST(Wait, IsWokenFromOtherThreadsWithoutLosingAny) {
  constexpr int rounds = 200;
  for (int round = 0; round < rounds; ++round) {
    std::vector<gate> gates(4);
    std::vector<gate*> all;
    for (auto& g : gates) all.push_back(&g);
    std::thread other([&] {
      for (auto& g : gates) g.open();
    });
    if (round % 2 == 0)
      EXPECT_EQ(vervet::wait(all).size(), 4u);
    else
      EXPECT_GE(vervet::wait(all, {.count = 1}).size(), 1u);
    other.join();
  }
}

TEST(Wait, InsideRunSeesAllEnds) {
  vervet::run({.workers = 2}, [] {
    std::vector<vervet::fiber<int>> all;
    for (int i = 0; i < 50; ++i)
      all.push_back(vervet::spawn([i] {
        vervet::yield();
        return i;
      }));
    int sum = 0;
    for (auto& f : vervet::iwait(all)) sum += f.get();
    EXPECT_EQ(sum, 49 * 50 / 2);
  });
}

}  // namespace
