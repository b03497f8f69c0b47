// How this library came into the process.
#pragma once

namespace vervet::interpose {

enum class mode { preloaded, linked };

// Preloaded: LD_PRELOAD names it, which is how the launcher works and what wins; or nothing needs
// it (the loader's --preload, /etc/ld.so.preload). Linked: a program or library needs it. Decided
// at the first call.
mode present_mode();

// At start: tells libvervet.so what is patched, for vervet_patched().
void announce_patches();

}  // namespace vervet::interpose
