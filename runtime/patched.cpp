#include "runtime/patched.h"

namespace vervet {
namespace {

vervet_patch_mode present_mode = VERVET_PATCHED_NOT;
const char* const* present_names;
size_t present_count;

}  // namespace

void note_patched(vervet_patch_mode mode, const char* const* names, size_t count) {
  present_mode = mode;
  present_names = names;
  present_count = count;
}

}  // namespace vervet

vervet_patch_mode vervet_patched(const char* const** names, size_t* count) {
  if (names != nullptr) *names = vervet::present_names;
  if (count != nullptr) *count = vervet::present_count;
  return vervet::present_mode;
}
