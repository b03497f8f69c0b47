#include "interpose/mode.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "interpose/real.h"
#include "runtime/door.h"

namespace vervet::interpose {
namespace {

constexpr char file_name[] = "libvervet_preload.so";

// Whether the entry, up to `end`, is a path of ours.
bool names_us(const char* entry, const char* end) {
  for (const char* at = entry; at < end; ++at)
    if (*at == '/') entry = at + 1;
  return static_cast<size_t>(end - entry) == sizeof file_name - 1 &&
         memcmp(entry, file_name, sizeof file_name - 1) == 0;
}

bool named_in_environment() {
  const char* list = getenv("LD_PRELOAD");
  while (list != nullptr && *list != 0) {
    const char* end = list + strcspn(list, " :");
    if (names_us(list, end)) return true;
    list = *end != 0 ? end + 1 : end;
  }
  return false;
}

// Whether this object has us among what it needs. ld.so has made the table's addresses absolute,
// but for objects whose table it could not write (the vDSO), which need nothing.
int needs_us(dl_phdr_info* object, size_t, void*) {
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    if (object->dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    auto* table =
        reinterpret_cast<const ElfW(Dyn)*>(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
    const char* strings = nullptr;
    for (auto* entry = table; entry->d_tag != DT_NULL; ++entry)
      if (entry->d_tag == DT_STRTAB) strings = reinterpret_cast<const char*>(entry->d_un.d_ptr);
    for (auto* entry = table; entry->d_tag != DT_NULL; ++entry) {
      if (entry->d_tag != DT_NEEDED) continue;
      const char* needed = strings + entry->d_un.d_val;
      if (names_us(needed, needed + strlen(needed))) return 1;
    }
  }
  return 0;
}

mode find_mode() {
  if (named_in_environment()) return mode::preloaded;
  return dl_iterate_phdr(needs_us, nullptr) != 0 ? mode::linked : mode::preloaded;
}

// Every row of the table.
constexpr const char* names[] = {
#define FN(name) #name,
#define ALIAS(alias, name) #alias,
#include "interpose/functions.def"
#undef FN
#undef ALIAS
};

}  // namespace

mode present_mode() {
  static mode found;
  static bool known;
  if (!known) {
    found = find_mode();
    known = true;
  }
  return found;
}

void announce_patches() {
  bool linked = present_mode() == mode::linked;
  // Behind libc in the order of lookup (it came by dlopen, say) we replace nothing.
  if (linked && !replaces_libc()) return;
  note_patched(linked ? VERVET_PATCHED_LINKED : VERVET_PATCHED_PRELOADED, names,
               sizeof names / sizeof *names);
}

}  // namespace vervet::interpose
