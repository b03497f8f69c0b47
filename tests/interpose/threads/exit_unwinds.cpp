// pthread_exit in C++ unwinds: destructors run innermost first, catch (...) sees it and rethrows,
// thread_locals die after the stack is gone.
#include "../check.h"

#include <string>
#include <thread>

static std::string trace;

struct witness {
  explicit witness(const char* name) : name(name) {}
  ~witness() { trace += name; }
  const char* name;
};

static thread_local witness last_words("t");

static void inner() {
  witness c("c");
  usleep(1000);
  pthread_exit(nullptr);
}

static void* body(void*) {
  (void)last_words.name;
  witness a("a");
  try {
    witness b("b");
    inner();
  } catch (...) {
    trace += "!";
    throw;
  }
  trace += "not reached";
  return nullptr;
}

static void* body_with_handler(void*) {
  witness a("a");
  pthread_cleanup_push([](void*) { trace += "h"; }, nullptr);
  inner();
  pthread_cleanup_pop(0);
  return nullptr;
}

static void* exit_from_catch(void*) {
  witness a("a");
  try {
    throw 1;
  } catch (int) {
    witness b("b");
    pthread_exit(nullptr);
  }
}

int main() {
  join(start(body, nullptr));
  say("unwound: %s", trace.c_str());
  trace.clear();
  join(start(body_with_handler, nullptr));
  say("with a cleanup handler: %s", trace.c_str());
  trace.clear();
  join(start(exit_from_catch, nullptr));
  say("from a catch block: %s", trace.c_str());
  trace.clear();
  std::thread([] { inner(); }).join();
  say("from a std::thread: %s", trace.c_str());
}
