// thread_local objects: constructed on first use, destroyed in reverse order at the thread's end,
// once each; destructors may block, and may bring new thread_locals to life.
#include "../check.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> constructed{0}, destroyed{0};
static std::string trace;

struct counted {
  counted() { ++constructed; }
  ~counted() {
    usleep(500);
    ++destroyed;
  }
  int value = 7;
};

struct named {
  explicit named(const char* name) : name(name) {}
  ~named() { trace += name; }
  const char* name;
};

// A file's thread_locals are constructed together; this one by itself.
static counted& per_thread() {
  static thread_local counted mine;
  return mine;
}
static thread_local named first("1"), second("2");

struct late_comer {
  ~late_comer() {
    trace += "L";
    static thread_local named born_late("N");
    trace += born_late.name[0] == 'N' ? "n" : "?";
  }
};

static pthread_key_t key;

int main() {
  std::vector<std::thread> threads;
  std::atomic<int> fresh{0};
  for (int i = 0; i < 200; ++i) {
    threads.emplace_back([&] {
      fresh += per_thread().value == 7;
      per_thread().value = 0;
      usleep(500);
    });
  }
  for (auto& thread : threads) thread.join();
  say("fresh %d, constructed %d, destroyed %d", fresh.load(), constructed.load(), destroyed.load());
  std::thread([] {}).join();
  say("a thread that uses none constructs none: %d", constructed.load());

  std::thread([] {
    trace += first.name;
    static thread_local named third("3");
    trace += third.name;
    trace += "|";
  }).join();
  say("order: %s", trace.c_str());

  trace.clear();
  std::thread([] {
    static thread_local late_comer late;
    (void)&late;
    trace += "|";
  }).join();
  say("born in a destructor: %s", trace.c_str());

  // thread_local destructors come before those of keys.
  trace.clear();
  CHECK_OK(pthread_key_create(&key, [](void*) { trace += "k"; }));
  std::thread([] {
    CHECK_OK(pthread_setspecific(key, &key));
    trace += second.name;
    trace += "|";
  }).join();
  say("with a key: %s", trace.c_str());
  trace.clear();
}
