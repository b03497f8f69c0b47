#include "runtime/sanitizer.h"

#include <stdint.h>

namespace vervet::sanitizer {
namespace {

// A request to Valgrind as its manual lays it down, so that it is seen without its header as well; to the
// processor it is nothing.
bool asks_valgrind() {
  constexpr uint64_t running_on_valgrind = 0x1001;
  volatile uint64_t request[6] = {running_on_valgrind, 0, 0, 0, 0, 0};
  uint64_t answer = 0;
  __asm__ volatile(
      "rolq $3, %%rdi; rolq $13, %%rdi; rolq $61, %%rdi; rolq $51, %%rdi; xchgq %%rbx, %%rbx"
      : "+d"(answer)
      : "a"(request)
      : "cc", "memory");
  return answer != 0;
}

}  // namespace

const bool under_valgrind = asks_valgrind();

}  // namespace vervet::sanitizer
