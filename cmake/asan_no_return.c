// In each program of ours under AddressSanitizer, in front of the tool's own, for instrumented code
// and for the tool itself: called before an exception or a jump abandons frames, whose red zones
// nobody clears then. The tool's own asks libc for the stack, which a full fiber's thread does not
// have. This one asks nobody: what it clears beyond the stack's end is not checked for a while.
#include <sanitizer/asan_interface.h>

__attribute__((visibility("default"), no_sanitize_address)) void __asan_handle_no_return(void) {
  __asan_unpoison_memory_region(__builtin_frame_address(0), 256 * 1024);
}
