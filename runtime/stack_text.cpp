#include "runtime/stack_text.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "runtime/sys.h"

// The C++ runtime's, if the program has one.
extern "C" __attribute__((weak)) char* __cxa_demangle(const char* name, char* buffer, size_t* size,
                                                      int* status);

namespace vervet {
namespace {

void add_symbol(text_block& block, const char* name, size_t offset) {
  int status = -1;
  char* readable =
      __cxa_demangle != nullptr ? __cxa_demangle(name, nullptr, nullptr, &status) : nullptr;
  block.add("%s+0x%zx", readable != nullptr ? readable : name, offset);
  free(readable);
}

}  // namespace

void text_block::add(const char* format, ...) {
  size_t room = sizeof text_ - used_;
  va_list arguments;
  va_start(arguments, format);
  int wanted = vsnprintf(text_ + used_, room, format, arguments);
  va_end(arguments);
  if (wanted <= 0) return;
  bool fits = static_cast<size_t>(wanted) < room;
  used_ += fits ? static_cast<size_t>(wanted) : room - 1;
  if (!fits && used_ != 0) text_[used_ - 1] = '\n';
}

void text_block::add_frames(void* const* frames, unsigned count) {
  for (unsigned i = 0; i < count; ++i) {
    auto address = reinterpret_cast<uintptr_t>(frames[i]);
    // A caller's address is the one it returns to: the call lies before it, perhaps as the last
    // instruction of its function.
    auto* within = reinterpret_cast<void*>(i == 0 ? address : address - 1);
    Dl_info place{};
    if (dladdr(within, &place) == 0 || place.dli_fname == nullptr) {
      add("  [%#zx]\n", address);
      continue;
    }
    add("  %s(", place.dli_fname);
    if (place.dli_sname != nullptr)
      add_symbol(*this, place.dli_sname, address - reinterpret_cast<uintptr_t>(place.dli_saddr));
    else
      add("+0x%zx", address - reinterpret_cast<uintptr_t>(place.dli_fbase));
    add(") [%#zx]\n", address);
  }
}

void text_block::write_to_stderr() {
  for (size_t done = 0; done < used_;) {
    long wrote = sys::write(2, text_ + done, used_ - done);
    if (wrote <= 0) return;
    done += static_cast<size_t>(wrote);
  }
}

}  // namespace vervet
