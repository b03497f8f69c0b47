#include "runtime/native_locks.h"

#include <link.h>
#include <stdlib.h>

extern "C" void* __tls_get_addr(void*);

namespace vervet {
namespace {

struct text {
  uintptr_t low;
  uintptr_t size;
  bool contains(uintptr_t address) const { return address - low < size; }
};
constexpr unsigned most = 8;
text texts[most];
unsigned count;

int note_module(dl_phdr_info* module, size_t, void* marks) {
  auto* mark = static_cast<const uintptr_t*>(marks);
  for (int i = 0; i < module->dlpi_phnum; ++i) {
    const ElfW(Phdr)& part = module->dlpi_phdr[i];
    if (part.p_type != PT_LOAD || (part.p_flags & PF_X) == 0 || count == most) continue;
    text t{module->dlpi_addr + part.p_vaddr, part.p_memsz};
    if (t.contains(mark[0]) || t.contains(mark[1]) || t.contains(mark[2])) texts[count++] = t;
  }
  return 0;
}

}  // namespace

void native_locks_start() {
  if (count != 0) return;
  // One function of each: libc, the loader, and whoever replaces malloc.
  uintptr_t marks[] = {reinterpret_cast<uintptr_t>(&::abort),
                       reinterpret_cast<uintptr_t>(&::__tls_get_addr),
                       reinterpret_cast<uintptr_t>(&::malloc)};
  dl_iterate_phdr(note_module, marks);
}

bool may_hold_native_lock(uintptr_t instruction) {
  for (unsigned i = 0; i < count; ++i)
    if (texts[i].contains(instruction)) return true;
  return false;
}

}  // namespace vervet
