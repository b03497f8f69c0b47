// What the preload library tells about itself, for vervet_patched().
#pragma once

#include <stddef.h>

#include "runtime/door_export.h"
#include "vervet/vervet.h"

namespace vervet {

// At its start, before main. `names` stays for ever.
VERVET_DOOR void note_patched(vervet_patch_mode mode, const char* const* names, size_t count);

}  // namespace vervet
