// Generators.
#include <gtest/gtest.h>

#include <memory>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <vervet/generator.hpp>
#include <vervet/vervet.hpp>

namespace {

using namespace std::chrono_literals;
using vervet::generator;

generator<int> numbers(int count) {
  return generator<int>([=](auto& yield) {
    for (int i = 0; i < count; ++i) yield(i);
  });
}

struct counted {
  int& alive;
  explicit counted(int& n) : alive(n) { ++alive; }
  ~counted() { --alive; }
  counted(const counted&) = delete;
};

TEST(Generator, ReportsWhatItCannotDo) {
  EXPECT_THROW(generator<int>({.stack_size = 1}, [](auto&) {}), std::system_error);
}

TEST(Generator, SendingToOneThatHasNotBegunIsAnError) {
  generator<int, int> g([](auto& yield) { yield(1); });
  EXPECT_THROW(g.send(1), std::logic_error);
  EXPECT_EQ(g.next(), 1);
}

TEST(Generator, CannotBeResumedByItsOwnBody) {
  generator<int>* self = nullptr;
  generator<int> g([&](auto& yield) {
    EXPECT_THROW(self->next(), std::logic_error);
    EXPECT_THROW(self->throw_in(std::runtime_error("x")), std::logic_error);
    EXPECT_THROW(self->close(), std::logic_error);
    yield(1);
  });
  self = &g;
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(Generator, AnotherFlowCannotYieldInTheBodysPlace) {
  generator<int> g([](auto& yield) {
    vervet::spawn([&] { EXPECT_THROW(yield(0), std::logic_error); }).join();
    std::thread([&] { EXPECT_THROW(yield(0), std::logic_error); }).join();
    yield(1);
  });
  EXPECT_EQ(g.next(), 1);
}

TEST(Generator, AYieldAfterTheBodyHasBeenLeftIsAnError) {
  generator<int>::yielder* kept = nullptr;
  generator<int> g([&](generator<int>::yielder& yield) {
    kept = &yield;
    yield(1);
  });
  g.next();
  EXPECT_THROW((*kept)(2), std::logic_error);
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(Generator, HandsOutValuesOneByOne) {
  auto g = numbers(3);
  EXPECT_FALSE(g.done());
  EXPECT_EQ(g.next(), 0);
  EXPECT_EQ(g.next(), 1);
  EXPECT_EQ(g.next(), 2);
  EXPECT_FALSE(g.done());
  EXPECT_EQ(g.next(), std::nullopt);
  EXPECT_TRUE(g.done());
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(Generator, DoesNotRunBeforeItIsAsked) {
  bool ran = false;
  generator<int> g([&](auto&) { ran = true; });
  EXPECT_FALSE(ran);
  g.next();
  EXPECT_TRUE(ran);
}

TEST(Generator, IsARange) {
  std::vector<int> seen;
  auto g = numbers(5);
  for (int& n : g) seen.push_back(n);
  EXPECT_EQ(seen, (std::vector{0, 1, 2, 3, 4}));
  for (int n : numbers(0)) ADD_FAILURE() << n;
  static_assert(std::ranges::input_range<generator<int>>);
}

void walk(generator<int>::yielder& yield, int low, int high) {
  if (low >= high) return;
  int middle = (low + high) / 2;
  walk(yield, low, middle);
  yield(middle);
  walk(yield, middle + 1, high);
}

TEST(Generator, YieldsFromAnyDepth) {
  generator<int> g([](auto& yield) { walk(yield, 0, 100); });
  int expected = 0;
  for (int n : g) EXPECT_EQ(n, expected++);
  EXPECT_EQ(expected, 100);
}

TEST(Generator, MovesItsValues) {
  generator<std::unique_ptr<int>> g([](auto& yield) { yield(std::make_unique<int>(7)); });
  auto value = g.next();
  ASSERT_TRUE(value);
  EXPECT_EQ(**value, 7);
}

TEST(Generator, TakesValuesAndReturnsOne) {
  generator<double, double, std::string> average([](auto& yield) {
    double sum = 0;
    int count = 0;
    auto value = yield(0.0);
    for (; value; value = yield(sum / count)) {
      sum += *value;
      ++count;
    }
    return std::to_string(count) + " values";
  });
  EXPECT_THROW(average.result(), std::logic_error);
  EXPECT_EQ(average.next(), 0.0);
  EXPECT_EQ(average.send(10), 10.0);
  EXPECT_EQ(average.send(20), 15.0);
  EXPECT_EQ(average.next(), std::nullopt);
  EXPECT_EQ(average.result(), "2 values");
  EXPECT_EQ(average.send(1), std::nullopt);
}

TEST(Generator, ThrowsInAtTheYield) {
  generator<int, void, int> g([](auto& yield) {
    for (int i = 0;; ++i) {
      try {
        yield(i);
      } catch (const std::runtime_error& error) {
        EXPECT_STREQ(error.what(), "stop");
        return 111;
      } catch (int) {
      }
    }
  });
  EXPECT_EQ(g.next(), 0);
  EXPECT_EQ(g.throw_in(3), 1);
  EXPECT_EQ(g.throw_in(std::runtime_error("stop")), std::nullopt);
  EXPECT_EQ(g.result(), 111);
  EXPECT_THROW(g.throw_in(3), int);
}

TEST(Generator, WhatIsThrownIntoOneThatHasNotBegunComesStraightOut) {
  bool ran = false;
  generator<int> g([&](auto&) { ran = true; });
  EXPECT_THROW(g.throw_in(5), int);
  EXPECT_FALSE(ran);
  EXPECT_TRUE(g.done());
}

TEST(Generator, AnExceptionOfTheBodyComesOutOfNextAndEndsIt) {
  generator<int> g([](auto& yield) {
    yield(1);
    throw std::runtime_error("broken");
  });
  EXPECT_EQ(g.next(), 1);
  EXPECT_THROW(g.next(), std::runtime_error);
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(Generator, CloseUnwindsTheBody) {
  int alive = 0;
  generator<int> g([&](auto& yield) {
    counted one(alive);
    try {
      for (;;) yield(1);
    } catch (const std::exception&) {
      ADD_FAILURE() << "generator_exit is no std::exception";
    }
  });
  g.next();
  EXPECT_EQ(alive, 1);
  g.close();
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(g.done());
  g.close();
}

TEST(Generator, ABodyThatIgnoresCloseIsToldOf) {
  generator<int> g([&](auto& yield) {
    try {
      yield(1);
    } catch (const vervet::generator_exit&) {
      yield(2);
    }
  });
  g.next();
  EXPECT_THROW(g.close(), std::logic_error);
  g.close();
  EXPECT_TRUE(g.done());
}

TEST(Generator, TheDestructorUnwindsASuspendedBodyAlsoDuringAnotherException) {
  int alive = 0;
  auto body = [&](auto& yield) {
    counted outer(alive);
    yield(1);
  };
  try {
    generator<int> g(body);
    g.next();
    EXPECT_EQ(alive, 1);
    throw std::runtime_error("x");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(std::uncaught_exceptions(), 0);
  }
  EXPECT_EQ(alive, 0);
}

TEST(Generator, ExceptionsOfBodyAndCallerStayApart) {
  generator<int> g([](auto& yield) {
    try {
      throw std::runtime_error("of the body");
    } catch (const std::runtime_error&) {
      yield(1);
      EXPECT_STREQ(([] {
                     try {
                       throw;
                     } catch (const std::exception& e) {
                       return e.what();
                     }
                   })(),
                   "of the body");
      yield(2);
    }
  });
  try {
    throw std::runtime_error("of the caller");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(g.next(), 1);
    EXPECT_THROW(std::rethrow_exception(std::current_exception()), std::runtime_error);
  }
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_EQ(g.next(), 2);
  EXPECT_EQ(std::current_exception(), nullptr);
  EXPECT_EQ(g.next(), std::nullopt);
}

TEST(Generator, Pipelines) {
  auto squares = [](generator<int> source) {
    return generator<int>([source = std::move(source)](auto& yield) mutable {
      for (int n : source) yield(n * n);
    });
  };
  auto odd = [](generator<int> source) {
    return generator<int>([source = std::move(source)](auto& yield) mutable {
      for (int n : source)
        if (n % 2 != 0) yield(n);
    });
  };
  std::vector<int> seen;
  for (int n : odd(squares(numbers(8)))) seen.push_back(n);
  EXPECT_EQ(seen, (std::vector{1, 9, 25, 49}));
}

TEST(Generator, YieldsFromAnother) {
  generator<int, int, int> outer([](auto& yield) {
    generator<int, int, std::string> inner([](auto& inner_yield) {
      std::string got;
      got += std::to_string(inner_yield(1).value_or(-1));
      try {
        inner_yield(2);
      } catch (int thrown) {
        got += "!" + std::to_string(thrown);
      }
      return got;
    });
    EXPECT_EQ(yield.from(inner), "5!9");
    EXPECT_EQ(yield(3), std::nullopt);
    return 4;
  });
  EXPECT_EQ(outer.next(), 1);
  EXPECT_EQ(outer.send(5), 2);
  EXPECT_EQ(outer.throw_in(9), 3);
  EXPECT_EQ(outer.next(), std::nullopt);
  EXPECT_EQ(outer.result(), 4);
}

TEST(Generator, TheOuterBodyMayYieldFromWithinTheInnerOne) {
  generator<int> outer([](auto& yield) {
    generator<int> inner([&](auto& inner_yield) {
      yield(1);
      inner_yield(2);
      yield(3);
    });
    for (int n : inner) yield(n * 10);
  });
  std::vector<int> seen;
  for (int n : outer) seen.push_back(n);
  EXPECT_EQ(seen, (std::vector{1, 20, 3}));
}

TEST(Generator, TheBodyParksTheFiberThatAsks) {
  generator<int> ticks([](auto& yield) {
    for (int i = 0; i < 3; ++i) {
      vervet::sleep_for(1ms);
      yield(i);
    }
  });
  int others = 0;
  auto reader = vervet::spawn([&] {
    int sum = 0;
    for (int n : ticks) sum += n;
    return sum;
  });
  auto other = vervet::spawn([&] {
    while (!reader.has_ended()) {
      ++others;
      vervet::sleep_for(100us);
    }
  });
  EXPECT_EQ(reader.get(), 3);
  other.join();
  EXPECT_GE(others, 3);
}

TEST(Generator, AKillOfTheReaderUnwindsTheBody) {
  int alive = 0;
  generator<int> endless([&](auto& yield) {
    counted one(alive);
    yield(1);
    for (;;) vervet::sleep_for(1h);
  });
  auto reader = vervet::spawn([&] {
    for (int n : endless) EXPECT_EQ(n, 1);
  });
  vervet::yield();
  EXPECT_EQ(alive, 1);
  reader.kill();
  EXPECT_EQ(alive, 0);
  EXPECT_TRUE(endless.done());
}

// Scopes as the C interface has them; what cuts throws.
struct scope : vervet_scope {
  explicit scope(vervet::deadline until) : vervet_scope{} {
    deadline = until.monotonic();
    raise = [](vervet_scope*) { throw 7; };
    vervet_scope_enter(this);
  }
  ~scope() { vervet_scope_leave(this); }
};

TEST(Generator, TimeoutsOfTheCallerCutTheBody) {
  generator<int> slow([](auto& yield) {
    try {
      vervet::sleep_for(1h);
    } catch (int) {
      yield(1);
    }
  });
  scope limit(1ms);
  EXPECT_EQ(slow.next(), 1);
  vervet::sleep_for(2ms);
}

TEST(Generator, TimeoutsOfTheBodyDoNotLeakToTheCaller) {
  bool cut = false;
  generator<int> g([&](auto& yield) {
    try {
      scope limit(1ms);
      yield(1);
      vervet::sleep_for(1h);
    } catch (int) {
      cut = true;
    }
    yield(2);
  });
  {
    scope outer(1h);
    EXPECT_EQ(g.next(), 1);
  }
  vervet::sleep_for(3ms);
  EXPECT_FALSE(cut);
  scope other(1h);
  EXPECT_EQ(g.next(), 2);
  EXPECT_TRUE(cut);
}

TEST(Generator, FlowsOfSeveralThreadsMayTakeTurns) {
  auto g = numbers(40);
  for (int i = 0; i < 40; i += 4) {
    EXPECT_EQ(g.next(), i);
    EXPECT_EQ(vervet::spawn([&] { return g.next(); }).get(), i + 1);
    std::thread([&] { EXPECT_EQ(g.next(), i + 2); }).join();
    std::thread([&] { vervet::spawn([&] { EXPECT_EQ(g.next(), i + 3); }).join(); }).join();
  }
}

TEST(Generator, ManyInsideRunOnSeveralWorkers) {
  int sum = vervet::run({.workers = 2}, [] {
    std::vector<vervet::fiber<int>> fibers;
    for (int f = 0; f < 16; ++f)
      fibers.push_back(vervet::spawn([] {
        int total = 0;
        generator<int> g([](auto& yield) {
          for (int i = 0; i < 200; ++i) {
            if (i % 10 == 0) vervet::yield();
            try {
              if (i % 7 == 0) throw i;
              yield(i);
            } catch (int caught) {
              yield(caught);
            }
          }
        });
        for (int n : g) total += n;
        return total;
      }));
    int all = 0;
    for (auto& f : fibers) all += f.get();
    return all;
  });
  EXPECT_EQ(sum, 16 * 199 * 200 / 2);
}

TEST(Generator, TenThousandAtATime) {
  std::vector<generator<int>> all;
  for (int i = 0; i < 10'000; ++i) {
    all.push_back(numbers(2));
    all.back().next();
  }
  int sum = 0;
  for (auto& g : all) sum += *g.next();
  EXPECT_EQ(sum, 10'000);
}

}  // namespace
