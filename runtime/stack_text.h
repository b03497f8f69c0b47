// A stack as text, for reports.
#pragma once

#include <stddef.h>

namespace vervet {

// Text of bounded length: what does not fit is cut off.
class text_block {
 public:
  void clear() { used_ = 0; }
  [[gnu::format(printf, 2, 3)]] void add(const char* format, ...);
  // A line per frame, innermost first: module(function+offset) [address]. Takes the dynamic
  // linker's lock and may allocate.
  void add_frames(void* const* frames, unsigned count);
  void write_to_stderr();

 private:
  char text_[16 * 1024];
  size_t used_ = 0;
};

}  // namespace vervet
