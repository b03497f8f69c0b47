// Watchers of a light hub, as bindings of other languages use them.
#pragma once

#include <vector>

#include <vervet/abi.h>

#include "bench/micro/fail.h"

class timers {
 public:
  static constexpr const char* subject = "vervet_light";
  static constexpr bool sleeps = true;

  explicit timers(std::size_t count) : watchers_(count) {}
  timers(const timers&) = delete;
  ~timers() {
    for (counting& w : watchers_) vervet_watcher_stop(&w);
  }
  void set(std::size_t i, int64_t when) {
    counting& w = watchers_[i];
    w.callback = [](vervet_watcher* self, unsigned) { ++*static_cast<counting*>(self)->count; };
    w.fd = -1;
    w.events = 0;
    w.deadline = when;
    w.count = &fired_;
    if (vervet_watcher_start(&w) != 0) fail("vervet_watcher_start failed");
  }
  void cancel(std::size_t i) { vervet_watcher_stop(&watchers_[i]); }
  void settle() { vervet_yield(); }
  void wait(int64_t until) {
    vervet_sleep_until(until);
    vervet_idle();
  }
  int64_t fired() const { return fired_; }

 private:
  struct counting : vervet_watcher {
    int64_t* count = nullptr;
  };
  std::vector<counting> watchers_;
  int64_t fired_ = 0;
};
