// What belongs to a flow and must follow it: also to and fro when its thread gets light fibers and
// loses them, and when the thread ends.
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "c_fiber.h"
#include "vervet/abi.h"

namespace vervet::testing {
namespace {

// Runs last of a thread's destructors, those of the hub included.
struct last_act {
  std::function<void()> act;
  ~last_act() {
    if (act) act();
  }
};
thread_local last_act at_end;

void yield_for_ever() {
  while (vervet_yield() == 0) {
  }
}

// The thread's flow is one of many until its hub ends.
TEST(FlowState, AScopeLeftBesideOtherFlowsIsLeftForGood) {
  static vervet_scope past;
  int slept = -1;
  void* local = nullptr;
  std::thread([&] {
    at_end.act = [&] {
      slept = vervet_sleep_for(millisecond);
      local = *vervet_local_slot();
    };
    past = {0, 0, 0, 0, nullptr, nullptr, nullptr};
    vervet_scope_enter(&past);
    auto* abandoned = new c_fiber(yield_for_ever);
    vervet_yield();
    vervet_scope_leave(&past);
    *vervet_local_slot() = abandoned;
  }).join();
  EXPECT_EQ(slept, 0);
  EXPECT_NE(local, nullptr);
}

}  // namespace
}  // namespace vervet::testing
