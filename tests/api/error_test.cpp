// What calls throw.
#include <gtest/gtest.h>

#include <string>
#include <thread>

#include <vervet/vervet.hpp>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/lsan_interface.h>
#endif

namespace {

using namespace std::chrono_literals;

// What is allocated while it lives is left behind on purpose.
struct leaks {
#if defined(__SANITIZE_ADDRESS__)
  __lsan::ScopedDisabler disabler;
#else
  ~leaks() {}
#endif
};

TEST(Error, TheMainFlowIsToldThatItWouldBlockForEver) {
  std::thread([] {
    leaks on_purpose;  // the two are abandoned with their thread
    vervet::fiber<> a, b;
    a = vervet::spawn([&b] { b.join(); });
    b = vervet::spawn([&a] { a.join(); });
    EXPECT_THROW(a.join(), vervet::would_block_forever);
    EXPECT_FALSE(b.join(1ms));
  }).join();
}

TEST(Error, WhatCutsAWaitIsNoStdException) {
  static_assert(!std::is_base_of_v<std::exception, vervet::fiber_exit>);
  auto f = vervet::spawn([] {
    try {
      vervet::sleep_for(1h);
    } catch (const std::exception&) {
      ADD_FAILURE();
    } catch (const vervet::cut_short& cut) {
      EXPECT_STREQ(cut.what(), "vervet: the fiber was killed");
    }
  });
  vervet::yield();
  EXPECT_TRUE(f.kill());
}

TEST(Error, CodesTellWhatHappened) {
  vervet::fiber<> slow = vervet::spawn([] { vervet::sleep_for(5ms); });
  try {
    slow.get(0ms);
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::timed_out);
  }
  slow.join();
  try {
    vervet::spawn({.stack_size = 1}, [] {});
    ADD_FAILURE();
  } catch (const std::system_error& e) {
    EXPECT_EQ(e.code(), std::errc::invalid_argument);
  }
  EXPECT_EQ(vervet::would_block_forever().code(), std::errc::resource_deadlock_would_occur);
}

}  // namespace
