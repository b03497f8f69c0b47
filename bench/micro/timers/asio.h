// Asio's steady_timer with a handler.
#pragma once

#include <chrono>
#include <vector>

#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>

class timers {
 public:
  static constexpr const char* subject = "asio";
  static constexpr bool sleeps = true;

  explicit timers(std::size_t count) {
    timers_.reserve(count);
    for (std::size_t i = 0; i < count; ++i) timers_.emplace_back(context_);
  }
  void set(std::size_t i, int64_t when) {
    timers_[i].expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(when)));
    timers_[i].async_wait([this](const asio::error_code& error) {
      if (!error) ++fired_;
    });
  }
  void cancel(std::size_t i) { timers_[i].cancel(); }
  void settle() { context_.poll(); }
  void wait(int64_t) { context_.run(); }
  int64_t fired() const { return fired_; }

 private:
  asio::io_context context_{1};
  std::vector<asio::steady_timer> timers_;
  int64_t fired_ = 0;
};
