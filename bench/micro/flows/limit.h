// The bare hub, which everything else is measured against.
#pragma once

#include <vector>

#include "bench/micro/bare_hub.h"

struct flows {
  static constexpr const char* subject = "limit";
  using handle = bare::fiber*;

  static int run(int (*main)()) { return main(); }
  static handle spawn(void* (*entry)(void*), void* argument) {
    return bare::spawn(entry, argument);
  }
  static void join(handle& f) { bare::join(f); }
  static void yield() { bare::yield(); }

  class event {
   public:
    void wait() {
      if (set_) return;
      waiting_.push_back(bare::here.current);
      bare::park();
    }
    void set() {
      set_ = true;
      for (bare::fiber* f : waiting_) bare::ready(f);
      waiting_.clear();
    }

   private:
    std::vector<bare::fiber*> waiting_;
    bool set_ = false;
  };

  class gate {
   public:
    void open() {
      open_ = true;
      if (sleeper_ == nullptr) return;
      bare::ready(sleeper_);
      sleeper_ = nullptr;
    }
    void wait() {
      while (!open_) {
        sleeper_ = bare::here.current;
        bare::park();
      }
      open_ = false;
    }

   private:
    bare::fiber* sleeper_ = nullptr;
    bool open_ = false;
  };
};
