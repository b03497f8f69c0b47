#include "runtime/sanitizer.h"

#ifdef VERVET_VALGRIND
namespace vervet::sanitizer {

const bool under_valgrind = [] { return RUNNING_ON_VALGRIND != 0; }();

}  // namespace vervet::sanitizer
#endif
