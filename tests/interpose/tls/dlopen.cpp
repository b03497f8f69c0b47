// Libraries with TLS of their own, loaded before, while and after threads live: every thread, old
// or new, finds initial values, and keeps its own.
#include "../check.h"

#include <dlfcn.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

struct library {
  explicit library(const char* name, const char* prefix) {
    const std::string path = std::string(ORACLE_LIBRARIES) + "/lib" + name + ".so";
    handle = dlopen(path.c_str(), RTLD_NOW);
    if (!handle) fprintf(stderr, "%s\n", dlerror());
    CHECK(handle);
    find(is_fresh, prefix, "_is_fresh");
    find(spoil, prefix, "_spoil");
  }
  template <typename Function>
  void find(Function*& function, const char* prefix, const char* name) {
    function = reinterpret_cast<Function*>(dlsym(handle, (std::string(prefix) + name).c_str()));
    CHECK(function);
  }
  void* handle;
  int (*is_fresh)();
  void (*spoil)(int);
};

static int in_threads(library& loaded, int count) {
  std::atomic<int> fresh{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&, i] {
      fresh += loaded.is_fresh();
      usleep(500);
      fresh += loaded.is_fresh();
      loaded.spoil(i);
      usleep(500);
      fresh += !loaded.is_fresh();
    });
  }
  for (auto& thread : threads) thread.join();
  return fresh;
}

static void exercise(const char* name, const char* prefix) {
  say("-- %s", name);
  // Threads that live when the library comes, and threads that have ended.
  pthread_barrier_t step;
  CHECK_OK(pthread_barrier_init(&step, nullptr, 21));
  library* loaded = nullptr;
  std::atomic<int> fresh{0};
  std::vector<std::thread> elders;
  for (int i = 0; i < 20; ++i) {
    elders.emplace_back([&, i] {
      pthread_barrier_wait(&step);
      pthread_barrier_wait(&step);
      fresh += loaded->is_fresh();
      loaded->spoil(i);
      usleep(500);
      fresh += !loaded->is_fresh();
    });
  }
  pthread_barrier_wait(&step);
  loaded = new library(name, prefix);
  FACT("fresh in main", loaded->is_fresh());
  loaded->spoil(1);
  pthread_barrier_wait(&step);
  for (auto& elder : elders) elder.join();
  say("threads older than the library: %d of 40", fresh.load());
  say("younger ones: %d of 90", in_threads(*loaded, 30));
  say("and in a second generation: %d of 90", in_threads(*loaded, 30));
  FACT("main kept its own", !loaded->is_fresh());
  delete loaded;
}

int main() {
  for (int i = 0; i < 30; ++i) std::thread([] { usleep(100); }).join();
  exercise("tls_initial_exec", "initial_exec");

  static std::atomic<int> destroyed{0};
  library early("tls_dynamic", "dynamic");
  void (*count_in)(std::atomic<int>*);
  early.find(count_in, "dynamic", "_count_in");
  count_in(&destroyed);
  exercise("tls_dynamic", "dynamic");
  say("thread_locals of the library destroyed: %d", destroyed.load());

  // Closed while a thread still owes it a destructor: the library must stay until that has run.
  std::thread owing([&] {
    early.spoil(3);
    CHECK(dlclose(early.handle) == 0);
    usleep(1000);
  });
  owing.join();
  say("and after dlclose: %d", destroyed.load());
}
