// Whether other processes may see a piece of memory.
#pragma once

namespace vervet::interpose {

// True if `address` lies in a MAP_SHARED mapping (or in none). An answer "private" may be a tenth
// of a second old.
bool in_shared_mapping(const void* address);

}  // namespace vervet::interpose
