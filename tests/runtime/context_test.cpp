#include "runtime/context.h"

#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <vector>

namespace vervet {
namespace {

struct pair {
  context main, other;
  std::vector<int> order;
};

TEST(Context, EntersAtTheFirstSwitchAndComesBack) {
  alignas(64) static char stack[64 * 1024];
  pair p;
  auto body = [](void* argument) {
    auto& p = *static_cast<pair*>(argument);
    p.order.push_back(1);
    context_switch(p.other, p.main, nullptr, nullptr);
    p.order.push_back(3);
    context_switch(p.other, p.main, nullptr, nullptr);
  };
  context_make(p.other, stack, sizeof stack, body, &p);
  EXPECT_TRUE(p.order.empty());
  context_switch(p.main, p.other, nullptr, nullptr);
  p.order.push_back(2);
  context_switch(p.main, p.other, nullptr, nullptr);
  EXPECT_EQ(p.order, (std::vector<int>{1, 2, 3}));
}

TEST(Context, CommitRunsAfterTheSwitchBeforeTheOtherGoesOn) {
  alignas(64) static char stack[64 * 1024];
  pair p;
  auto body = [](void* argument) {
    auto& p = *static_cast<pair*>(argument);
    p.order.push_back(2);
    context_switch(p.other, p.main, nullptr, nullptr);
  };
  context_make(p.other, stack, sizeof stack, body, &p);
  auto commit = [](void* argument) {
    auto& p = *static_cast<pair*>(argument);
    EXPECT_NE(p.main.saved, nullptr);
    p.order.push_back(1);
  };
  context_switch(p.main, p.other, commit, &p);
  EXPECT_EQ(p.order, (std::vector<int>{1, 2}));
}

TEST(Context, KeepsTheFloatingPointControlWord) {
  alignas(64) static char stack[64 * 1024];
  pair p;
  auto body = [](void* argument) {
    auto& p = *static_cast<pair*>(argument);
    _MM_SET_ROUNDING_MODE(_MM_ROUND_UP);
    context_switch(p.other, p.main, nullptr, nullptr);
  };
  context_make(p.other, stack, sizeof stack, body, &p);
  context_switch(p.main, p.other, nullptr, nullptr);
  EXPECT_EQ(_MM_GET_ROUNDING_MODE(), static_cast<unsigned>(_MM_ROUND_NEAREST));
}

}  // namespace
}  // namespace vervet
