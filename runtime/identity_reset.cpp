// Giving a recycled identity the state of a new thread.
#include <errno.h>
#include <link.h>
#include <locale.h>
#include <netdb.h>
#include <resolv.h>
#include <string.h>
#undef p_type  // resolv.h's, in the way of the program header's member

// What the compiler's general dynamic TLS model calls; declared by no header.
struct tls_index {
  unsigned long module;
  unsigned long offset;
};
extern "C" void* __tls_get_addr(tls_index* index);

#include "runtime/fs_base.h"
#include "runtime/identity.h"
#include "runtime/lock.h"
#include "runtime/thread_state.h"

namespace vervet::identity {
namespace {

struct tls_image {
  const void* image;
  size_t image_size;
  size_t block_size;
  ptrdiff_t offset;  // of the block from the thread pointer; `elsewhere` if it is allotted per thread
};
constexpr ptrdiff_t elsewhere = 0;

// All modules with TLS, as of one state of the loader.
struct module_list {
  static constexpr unsigned capacity = 128;
  unsigned long long loads = 0;  // the loader's counters of modules added and removed
  unsigned long long unloads = 0;
  bool valid = false;
  bool complete = false;         // every module is in `images`, and each lies in the identity
  unsigned count = 0;
  tls_image images[capacity];
};

lock list_lock;
module_list modules;

struct bounds {
  const char* low;
  const char* top;
};

// libc's own block keeps malloc's cache warm (what it would leak is reset by name); ours keeps `current`.
bool keeps_its_block(const char* block, size_t size) {
  auto* error = reinterpret_cast<const char*>(&errno);
  return error >= block && error < block + size;
}

void restore_range(char* block, const tls_image& t, size_t from, size_t to) {
  size_t image_end = to < t.image_size ? to : t.image_size;
  if (from < image_end) {
    memcpy(block + from, static_cast<const char*>(t.image) + from, image_end - from);
    from = image_end;
  }
  if (from < to) memset(block + from, 0, to - from);
}

// Our own state lives on. It lies in libvervet.so's block, or in the program's if that is linked
// with the runtime statically.
void restore(char* block, const tls_image& t) {
  auto* ours = reinterpret_cast<const char*>(&self_state);
  if (ours < block || ours >= block + t.block_size) return restore_range(block, t, 0, t.block_size);
  auto offset = static_cast<size_t>(ours - block);
  restore_range(block, t, 0, offset);
  restore_range(block, t, offset + sizeof self_state, t.block_size);
}

char* thread_pointer() { return static_cast<char*>(fs_base::get()); }

bool read_image(const dl_phdr_info& module, tls_image& t) {
  if (module.dlpi_tls_modid == 0) return false;
  for (int i = 0; i < module.dlpi_phnum; ++i) {
    const ElfW(Phdr)& p = module.dlpi_phdr[i];
    if (p.p_type != PT_TLS) continue;
    auto* image = reinterpret_cast<const void*>(module.dlpi_addr + p.p_vaddr);
    t = {image, p.p_filesz, p.p_memsz, elsewhere};
    return true;
  }
  return false;
}

// Learns where the module's block lies. The loader answers null for a thread that has not asked for the
// block since the module came, though it may have used it by a fixed offset: so this asks.
int learn_module(dl_phdr_info* module, size_t, void* argument) {
  const auto& identity = *static_cast<const bounds*>(argument);
  modules.loads = module->dlpi_adds;
  modules.unloads = module->dlpi_subs;
  tls_image t;
  if (!read_image(*module, t)) return 0;
  auto* block = static_cast<char*>(module->dlpi_tls_data);
  if (block == nullptr) {
    tls_index index{module->dlpi_tls_modid, 0};
    block = static_cast<char*>(__tls_get_addr(&index));
  }
  if (keeps_its_block(block, t.block_size)) return 0;
  bool fixed = block >= identity.low && block < identity.top;
  if (fixed) t.offset = block - thread_pointer();
  if (!fixed || modules.count == module_list::capacity) modules.complete = false;
  if (modules.count < module_list::capacity) modules.images[modules.count++] = t;
  return 0;
}

int compare_counters(dl_phdr_info* module, size_t, void* same) {
  *static_cast<bool*>(same) =
      module->dlpi_adds == modules.loads && module->dlpi_subs == modules.unloads;
  return 1;
}

// Restores the blocks that this thread has been allotted outside of its identity.
int restore_allotted(dl_phdr_info* module, size_t, void* argument) {
  const auto& identity = *static_cast<const bounds*>(argument);
  tls_image t;
  auto* block = static_cast<char*>(module->dlpi_tls_data);
  if (block == nullptr || (block >= identity.low && block < identity.top)) return 0;
  if (read_image(*module, t) && !keeps_its_block(block, t.block_size)) restore(block, t);
  return 0;
}

void reset_tls(const bounds& identity) {
  lock_guard guard(list_lock);
  bool same = false;
  if (modules.valid) dl_iterate_phdr(compare_counters, &same);
  if (!same) {
    modules.count = 0;
    modules.valid = modules.complete = true;
    dl_iterate_phdr(learn_module, const_cast<bounds*>(&identity));
  }
  for (unsigned i = 0; i < modules.count; ++i)
    if (modules.images[i].offset != elsewhere)
      restore(thread_pointer() + modules.images[i].offset, modules.images[i]);
  if (!modules.complete) dl_iterate_phdr(restore_allotted, const_cast<bounds*>(&identity));
}

}  // namespace

void reset(const char* stack_low, const char* stack_top) {
  reset_tls({stack_low, stack_top});
  errno = 0;
  h_errno = 0;
  if (uselocale(nullptr) != LC_GLOBAL_LOCALE) uselocale(LC_GLOBAL_LOCALE);
  // The next lookup reads resolv.conf afresh, as a new thread's would.
  _res.options = 0;
}

}  // namespace vervet::identity
