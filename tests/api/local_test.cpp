// Locals and contexts.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/local.hpp>
#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::context;
using vervet::local;

TEST(Local, EachFiberHasItsOwn) {
  local<int> depth;
  *depth = 1;
  auto a = vervet::spawn([&] {
    EXPECT_EQ(*depth, 0);
    *depth = 2;
    vervet::yield();
    return *depth;
  });
  auto b = vervet::spawn([&] {
    *depth = 3;
    vervet::yield();
    return *depth;
  });
  EXPECT_EQ(a.get(), 2);
  EXPECT_EQ(b.get(), 3);
  EXPECT_EQ(*depth, 1);
}

TEST(Local, EachThreadHasItsOwn) {
  local<int> depth;
  *depth = 1;
  std::thread([&] {
    EXPECT_EQ(*depth, 0);
    *depth = 2;
    vervet::spawn([&] { EXPECT_EQ(*depth, 0); }).join();
    EXPECT_EQ(*depth, 2);
  }).join();
  EXPECT_EQ(*depth, 1);
}

TEST(Local, FibersOnSeveralWorkersHaveTheirOwn) {
  local<int> mine([] { return -1; });
  vervet::run({.workers = 2}, [&] {
    std::vector<vervet::fiber<bool>> fibers;
    for (int i = 0; i < 50; ++i)
      fibers.push_back(vervet::spawn([&mine, i] {
        bool right = *mine == -1;
        *mine = i;
        for (int n = 0; n < 10; ++n) {
          vervet::yield();
          right = right && *mine == i;
        }
        return right;
      }));
    for (auto& f : fibers) EXPECT_TRUE(f.get());
  });
  EXPECT_EQ(*mine, -1);
}

TEST(Local, AValueIsMadeWhenItIsFirstAskedFor) {
  int made = 0;
  local<std::string> name([&] { return "n" + std::to_string(++made); });
  EXPECT_EQ(name.get_if(), nullptr);
  EXPECT_EQ(made, 0);
  EXPECT_EQ(*name, "n1");
  EXPECT_EQ(*name, "n1");
  EXPECT_EQ(name->size(), 2u);
  vervet::spawn([&] { EXPECT_EQ(*name, "n2"); }).join();
  name.reset();
  EXPECT_EQ(name.get_if(), nullptr);
  EXPECT_EQ(*name, "n3");
  name.set("given");
  EXPECT_EQ(*name, "given");
}

TEST(Local, SettingSparesTheInitialFunction) {
  local<std::string> name([]() -> std::string { throw std::runtime_error("asked"); });
  EXPECT_THROW(*name, std::runtime_error);
  EXPECT_EQ(name.get_if(), nullptr);
  EXPECT_EQ(name.set("x"), "x");
  EXPECT_EQ(*name, "x");
}

TEST(Local, HoldsWhatCannotBeMoved) {
  struct fixed {
    int value = 4;
    fixed() = default;
    fixed(const fixed&) = delete;
  };
  local<fixed> one;
  EXPECT_EQ(one->value, 4);
}

struct noting {
  std::vector<std::string>* notes;
  std::string name;
  ~noting() { notes->push_back(name); }
};

TEST(Local, ValuesAreDestroyedWhenTheFiberEndsTheLatestFirst) {
  std::vector<std::string> notes;
  local<std::optional<noting>> a, b, c;
  auto f = vervet::spawn([&] {
    b->emplace(noting{&notes, "b"});
    c->emplace(noting{&notes, "c"});
    a->emplace(noting{&notes, "a"});
    notes.clear();
    notes.push_back("body");
  });
  f.join();
  EXPECT_EQ(notes, (std::vector<std::string>{"body", "a", "c", "b"}));
}

TEST(Local, ValuesAreDestroyedWhenAKilledFiberEnds) {
  auto watched = std::make_shared<int>();
  local<std::shared_ptr<int>> held;
  auto f = vervet::spawn([&] {
    *held = watched;
    vervet::sleep_for(1h);
  });
  vervet::yield();
  EXPECT_EQ(watched.use_count(), 2);
  f.kill();
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(Local, ValuesAreDestroyedWhenTheThreadEnds) {
  auto watched = std::make_shared<int>();
  local<std::shared_ptr<int>> held;
  std::thread([&] { *held = watched; }).join();
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(Local, ADestructorThatAsksForALocalGetsAFreshOne) {
  local<int> number;
  int seen = -1;
  struct asking {
    local<int>* of = nullptr;
    int* seen = nullptr;
    ~asking() {
      if (of != nullptr) *seen = **of;
    }
  };
  local<asking> last;
  vervet::spawn([&] {
    *number = 5;
    last->of = &number;
    last->seen = &seen;
  }).join();
  EXPECT_EQ(seen, 0);
}

TEST(Local, ANewOneInAnOldOnesPlaceStartsFresh) {
  auto watched = std::make_shared<int>();
  {
    local<std::shared_ptr<int>> first;
    *first = watched;
  }
  local<std::shared_ptr<int>> second;
  EXPECT_EQ(*second, nullptr);
  EXPECT_EQ(watched.use_count(), 1);
}

TEST(Context, NewFibersStartWithoutValues) {
  local<std::string> user(vervet::inheritable);
  *user = "root";
  EXPECT_EQ(vervet::spawn([&] { return *user; }).get(), "");
}

TEST(Context, InheritedByFibersOnRequest) {
  local<std::string> user(vervet::inheritable);
  local<std::string> own;
  *user = "root";
  *own = "mine";
  auto f = vervet::spawn(vervet::inherit([&](int n) {
                           EXPECT_EQ(*own, "");
                           *user += std::to_string(n);
                           return *user;
                         }),
                         7);
  *user = "later";
  EXPECT_EQ(f.get(), "root7");
  EXPECT_EQ(*user, "later");
}

TEST(Context, WhatIsSetInsideIsGoneAfterwards) {
  local<int> level(vervet::inheritable, [] { return 10; });
  local<int> unset(vervet::inheritable);
  *level = 1;
  context at_one = context::current();
  *level = 2;
  *unset = 3;
  at_one.run([&] {
    EXPECT_EQ(*level, 1);
    EXPECT_EQ(*unset, 0);
    *level = 5;
    context().run([&] { EXPECT_EQ(*level, 10); });
    EXPECT_EQ(*level, 5);
  });
  EXPECT_EQ(*level, 2);
  EXPECT_EQ(*unset, 3);
  EXPECT_THROW(at_one.run([&] { throw *level; }), int);
  EXPECT_EQ(*level, 2);
  EXPECT_EQ(at_one.run([&] { return *level; }), 1);
}

TEST(Context, CrossesThreadsAndServesSeveralFlowsAtATime) {
  local<int> id(vervet::inheritable);
  *id = 9;
  context mine = context::current();
  std::thread([&] {
    auto reader = [&] {
      return mine.run([&] {
        int before = (*id)++;
        vervet::yield();
        return before * 100 + *id;
      });
    };
    auto a = vervet::spawn(reader);
    auto b = vervet::spawn(reader);
    EXPECT_EQ(a.get(), 910);
    EXPECT_EQ(b.get(), 910);
    EXPECT_EQ(*id, 0);
  }).join();
}

}  // namespace
