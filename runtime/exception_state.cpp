#include "runtime/exception_state.h"

#include <atomic>

#include "runtime/check.h"

namespace vervet {
namespace {

std::atomic<void* (*)()> exception_globals[most_cxx_runtimes];

}  // namespace

std::atomic<unsigned> cxx_runtimes{0};

void register_exception_globals(void* (*get)()) {
  for (auto& known : exception_globals) {
    void* (*present)() = nullptr;
    if (known.compare_exchange_strong(present, get)) {
      cxx_runtimes.fetch_add(1, std::memory_order_release);
      return;
    }
    if (present == get) return;
  }
  fatal("more than %u C++ runtimes in one process", most_cxx_runtimes);
}

void* exception_state_here(unsigned i) {
  if (i >= most_cxx_runtimes) return nullptr;
  void* (*get)() = exception_globals[i].load(std::memory_order_acquire);
  return get != nullptr ? get() : nullptr;
}

bool unwinding() {
  for (unsigned i = 0; void* state = exception_state_here(i); ++i)
    if (static_cast<const exception_state*>(state)->uncaught != 0) return true;
  return false;
}

}  // namespace vervet
