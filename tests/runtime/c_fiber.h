// A fiber made through the C interface that runs a C++ callable.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "vervet/abi.h"

namespace vervet::testing {

inline constexpr int64_t millisecond = 1'000'000;

class c_fiber {
 public:
  explicit c_fiber(std::function<void()> body, vervet_spawn_options options = {})
      : body_(std::move(body)) {
    options.size = sizeof options;
    EXPECT_EQ(vervet_spawn(&handle_, &options, enter, this), 0);
  }
  c_fiber(const c_fiber&) = delete;
  ~c_fiber() { vervet_release(handle_); }

  int join(int64_t deadline = VERVET_NEVER) { return vervet_join(handle_, nullptr, deadline); }
  int kill() { return vervet_kill(handle_); }
  vervet_fiber* handle() { return handle_; }

 private:
  static void* enter(void* self) {
    static_cast<c_fiber*>(self)->body_();
    return self;
  }
  std::function<void()> body_;
  vervet_fiber* handle_ = nullptr;
};

}  // namespace vervet::testing
