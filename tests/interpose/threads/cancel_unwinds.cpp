// Cancellation in C++: destructors run from inside the blocking call outwards, and locks are given
// back.
#include "../check.h"

#include <condition_variable>
#include <mutex>
#include <string>

static std::string trace;
static int ends[2];
static std::mutex mutex;

struct witness {
  explicit witness(const char* name) : name(name) {}
  ~witness() { trace += name; }
  const char* name;
};

static void* read_for_ever(void*) {
  witness a("a");
  try {
    witness b("b");
    char byte;
    CHECK(read(ends[0], &byte, 1) == 1);
  } catch (...) {
    trace += "!";
    throw;
  }
  return nullptr;
}

static void* wait_for_ever(void*) {
  witness a("a");
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  witness b("b");
  for (;;) never.wait(lock);
}

static void cancel(const char* name, void* (*body)(void*)) {
  trace.clear();
  const pthread_t thread = start(body, nullptr);
  settle();
  CHECK_OK(pthread_cancel(thread));
  const bool cancelled = join(thread) == PTHREAD_CANCELED;
  say("%s: %s, %s", name, cancelled ? "cancelled" : "went on", trace.c_str());
}

int main() {
  CHECK(pipe(ends) == 0);
  cancel("read", read_for_ever);
  cancel("condition wait", wait_for_ever);
  FACT("the mutex is free", mutex.try_lock());
}
