// The order of ends in C++: thread_locals of main before statics, threads joined by a static's
// destructor, threads left alone.
#include "../check.h"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

struct named {
  explicit named(const char* name) : name(name) {}
  ~named() { say("destroyed: %s", name); }
  const char* name;
};

// A pool as libraries have it: its destructor, after main, wakes and joins.
class worker {
 public:
  worker() : thread_([this] { run(); }) {}
  ~worker() {
    {
      std::lock_guard lock(mutex_);
      stop_ = true;
    }
    turned_.notify_one();
    thread_.join();
    say("worker joined after main");
  }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    turned_.wait(lock, [this] { return stop_; });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  std::mutex mutex_;
  std::condition_variable turned_;
  bool stop_ = false;
  std::thread thread_;
};

static named global("static");
static thread_local named local("thread_local of main");

static worker& pool() {
  static worker only;
  return only;
}

int main() {
  say("uses: %s, %s", global.name, local.name);
  pool();
  std::thread([] { say("a thread's own: %s", local.name); }).join();
  std::thread left([] { sleep(1000); });
  left.detach();
  say("main returns");
}
