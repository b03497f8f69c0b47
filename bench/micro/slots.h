// Memory for stacks as vervet's slabs have it: equal slots in one mapping that is populated when
// touched.
#pragma once

#include <cstddef>

#include <sys/mman.h>

#include "bench/micro/fail.h"

class slots {
 public:
  static constexpr std::size_t size = 64 * 1024;

  explicit slots(std::size_t count) : bytes_(count * size) {
    void* got = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (got == MAP_FAILED) fail("no memory for stacks");
    madvise(got, bytes_, MADV_NOHUGEPAGE);
    base_ = static_cast<char*>(got);
  }
  slots(const slots&) = delete;
  slots& operator=(const slots&) = delete;
  ~slots() { munmap(base_, bytes_); }

  // The end of slot `index`, from which a stack grows down.
  char* top(std::size_t index) const { return base_ + (index + 1) * size; }

 private:
  std::size_t bytes_;
  char* base_;
};
