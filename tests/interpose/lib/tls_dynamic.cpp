// A library with TLS too large for the static surplus, and a thread_local with a destructor.
#include <atomic>

static thread_local int value = 55;
static thread_local char large[256 * 1024];
static std::atomic<int>* counter;

struct witness {
  ~witness() { ++*counter; }
};

extern "C" void dynamic_count_in(std::atomic<int>* where) { counter = where; }
extern "C" int dynamic_is_fresh() {
  return value == 55 && large[0] == 0 && large[sizeof large - 1] == 0;
}

extern "C" void dynamic_spoil(int with) {
  static thread_local witness seen;
  (void)&seen;
  value = with;
  large[0] = large[sizeof large - 1] = 1;
}

extern "C" int dynamic_value() { return value; }
