// Reading the VERVET_* variables: the parts that library use and the preload library share.
#pragma once

#include <stdint.h>

#include "runtime/door_export.h"

namespace vervet {

// A decimal number of ns, us, ms or s, in nanoseconds, at most `longest`; false if `text` is
// anything else.
VERVET_DOOR bool parse_duration(const char* text, int64_t longest, int64_t& result);

// A value that makes no sense ends the process with one line and status 2.
[[noreturn]] VERVET_DOOR void refuse_setting(const char* name, const char* value,
                                             const char* expected);

}  // namespace vervet
