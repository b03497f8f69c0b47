// The bare hub, which everything else is measured against.
#pragma once

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
