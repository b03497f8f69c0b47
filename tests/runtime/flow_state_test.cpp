// What belongs to a flow and must follow it: also to and fro when its thread gets light fibers and
// loses them, and when the thread ends.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <thread>

#include "c_fiber.h"
#include "runtime/exception_state.h"
#include "runtime/sanitizer.h"
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

thread_local exception_state late_runtime;

// The hub has a handle, and so its thread's flow is one of many for good.
TEST(FlowState, ARuntimeOfExceptionsMayRegisterLate) {
  std::thread([] {
    vervet_hub* hub = vervet_hub_here();
    vervet_register_exception_globals([]() -> void* { return &late_runtime; });
    auto in_flight = [](unsigned count) {
      EXPECT_EQ(late_runtime.uncaught, 0u);
      for (unsigned i = 0; i < count; ++i) {
        ++late_runtime.uncaught;
        vervet_yield();
        EXPECT_EQ(late_runtime.uncaught, i + 1);
      }
      late_runtime.uncaught = 0;
    };
    c_fiber one([&] { in_flight(3); }), other([&] { in_flight(2); });
    in_flight(4);
    one.join();
    other.join();
    vervet_hub_release(hub);
  }).join();
}

std::string output_of(const std::string& command) {
  std::string all;
  FILE* pipe = popen(command.c_str(), "r");
  char part[256];
  while (pipe != nullptr && std::fgets(part, sizeof part, pipe) != nullptr) all += part;
  EXPECT_TRUE(pipe != nullptr && pclose(pipe) == 0);
  return all;
}

// A program of threads and fibers: under the launcher threads are fibers as well.
TEST(FlowState, AForkedChildKeepsIt) {
  std::string once;
  for (const char* place : {"alone", "host", "light"}) once += std::string(place) + ": cut uncut local\n";
  EXPECT_EQ(output_of(FORKED_FLOW), once + once);
#ifdef VERVET_TSAN
  return;  // it cannot judge the launcher
#endif
  EXPECT_EQ(output_of(std::string(VERVET " ") + FORKED_FLOW), once + once);
}

}  // namespace
}  // namespace vervet::testing
