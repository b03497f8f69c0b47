// The same tests under LeakSanitizer. What it needs, ptrace of the process itself, is not allowed
// everywhere: then the program exits with 77, for "skipped".
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

#include <sanitizer/lsan_interface.h>
#include <sys/wait.h>
#include <unistd.h>

#include "world.h"

namespace {

constexpr int sees_leaks = 1;
constexpr int is_blind = 2;
constexpr int skipped = 77;

// A killed fiber that leaks what it holds: in a child process, whose report nobody reads.
[[noreturn]] void leak_and_look() {
  if (std::freopen("/dev/null", "w", stderr) == nullptr) std::abort();
  auto leaky = vervet::spawn([] {
    auto* lost = new test::item(test::new_item());
    vervet::yield();
    delete lost;
  });
  vervet::yield();
  leaky.kill();
  leaky = {};
  _exit(__lsan_do_recoverable_leak_check() != 0 ? sees_leaks : is_blind);
}

int in_child(void (*f)()) {
  std::fflush(nullptr);
  pid_t child = fork();
  if (child < 0) std::abort();
  if (child == 0) f();
  int status = 0;
  if (waitpid(child, &status, 0) != child) std::abort();
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// It looks into its table of threads without a lock, while a new thread may replace that by one of
// twice the size, and it never uses an entry again: so have a table made, before there are other
// threads, that has room for all the tests make.
void enlarge_table_of_threads() {
  constexpr int just_over_a_power_of_two = 33'000;
  for (int i = 0; i < just_over_a_power_of_two; ++i) std::thread([] {}).join();
}

}  // namespace

// What was allocated where its unwinder finds no caller it takes for a coroutine's and never
// reports. Its fast one finds none on a fiber's stack.
extern "C" const char* __lsan_default_options() {
  return "fast_unwind_on_malloc=0:malloc_context_size=12";
}

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  int verdict = in_child(leak_and_look);
  if (verdict == is_blind) {
    std::puts("LeakSanitizer does not see what a killed fiber leaks");
    return EXIT_FAILURE;
  }
  if (verdict != sees_leaks) {
    std::puts("LeakSanitizer cannot stop this process here: skipped");
    std::fflush(nullptr);
    _exit(skipped);  // without its own look at the end
  }
  enlarge_table_of_threads();
  int result = RUN_ALL_TESTS();
  return __lsan_do_recoverable_leak_check() != 0 ? EXIT_FAILURE : result;
}
