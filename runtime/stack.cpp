#include "runtime/stack.h"

#include <atomic>
#include <sys/mman.h>
#include <sys/uio.h>

#include "runtime/sys.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

namespace vervet {

lock stack_lock;

namespace {

constexpr size_t small_step = 16 * 1024;
constexpr size_t megabyte = 1024 * 1024;
constexpr size_t largest = 1024 * megabyte;
constexpr unsigned small_classes = megabyte / small_step + 1;
constexpr unsigned class_count = small_classes + largest / megabyte + 1;
constexpr size_t slab_bytes = 2048 * megabyte;
constexpr unsigned most_guards = 32;  // installed at once

struct size_class {
  char* free_top;  // top of the last slot given back; the next one is noted below its top
  char* fresh;     // the next slot never used
  char* fresh_end;
  char* guarded_end;  // those from `fresh` to here have their guards
  unsigned used;      // how many have been used
};

struct slab {
  char* first;  // base of its first slot
  char* end;
  size_t slot_size;
};

// Append-only, so that a signal handler can walk it without the lock.
constexpr unsigned max_slabs = 1u << 16;
slab* slabs;
std::atomic<unsigned> slab_count{0};
size_class* classes;
bool guard_by_marker = true;
bool guards_in_batches = true;

unsigned index_of(size_t slot_size) {
  return slot_size <= megabyte ? slot_size / small_step
                               : small_classes + static_cast<unsigned>(slot_size / megabyte);
}

char** link_below(char* top) { return reinterpret_cast<char**>(top) - 1; }

template <typename T>
T* map_table(size_t count) {
  return static_cast<T*>(sys::map(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE));
}

// Slot boundaries must not fall on a 2 MiB boundary: the guard above one and the stack below it
// would need a page-table page each.
char* first_slot(char* mapping, size_t slot_size) {
  size_t grain = slot_size >= megabyte ? megabyte : small_step;
  size_t wanted = grain / 2;
  size_t offset = reinterpret_cast<uintptr_t>(mapping) % grain;
  return mapping + (wanted + grain - offset) % grain;
}

bool add_slab(size_class& c, size_t slot_size) {
  unsigned count = slab_count.load(std::memory_order_relaxed);
  if (count == max_slabs) return false;
  size_t slots = slab_bytes / slot_size;
  if (slots > 4096) slots = 4096;
  if (slots == 0) slots = 1;
  // Under a limit on address space (RLIMIT_AS) the large mapping fails: settle for less.
  for (; slots > 0; slots /= 4) {
    size_t bytes = slots * slot_size + megabyte;
    void* mapping = sys::map(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK);
    if (mapping == nullptr) continue;
    sys::advise(mapping, bytes, MADV_NOHUGEPAGE);
    char* first = first_slot(static_cast<char*>(mapping), slot_size);
    c.fresh = c.guarded_end = first;
    c.fresh_end = first + slots * slot_size;
    slabs[count] = {first, c.fresh_end, slot_size};
    slab_count.store(count + 1, std::memory_order_release);
    return true;
  }
  return false;
}

void install_guard(char* base) {
  if (guard_by_marker) {
    if (sys::advise(base, stack_guard_size, MADV_GUARD_INSTALL) == 0) return;
    guard_by_marker = false;
  }
  sys::call(SYS_mprotect, sys::word(base), stack_guard_size, PROT_NONE);
}

bool install_guards(char* first, size_t slot_size, unsigned count) {
  constexpr int this_process = -10000;  // PIDFD_SELF, Linux 6.14
  iovec guards[most_guards];
  for (unsigned i = 0; i < count; ++i) guards[i] = {first + i * slot_size, stack_guard_size};
  return sys::call(SYS_process_madvise, this_process, sys::word(guards), count,
                   MADV_GUARD_INSTALL) == static_cast<long>(count * stack_guard_size);
}

// Sees to the guard of the next fresh slot, and with one system call to those of some more, the
// more the more slots are in use: a call costs what first touching a page does.
void guard_fresh(size_class& c, size_t slot_size) {
  if (c.fresh < c.guarded_end) return;
  size_t left = static_cast<size_t>(c.fresh_end - c.fresh) / slot_size;
  // Each may bring a page-table page with it that is not needed yet.
  size_t wanted = c.used / (slot_size <= megabyte ? 8 : 64);
  if (wanted > most_guards) wanted = most_guards;
  if (wanted > left) wanted = left;
  if (guard_by_marker && guards_in_batches && wanted > 1) {
    guards_in_batches = install_guards(c.fresh, slot_size, static_cast<unsigned>(wanted));
    if (guards_in_batches) {
      c.guarded_end = c.fresh + wanted * slot_size;
      return;
    }
  }
  install_guard(c.fresh);
  c.guarded_end = c.fresh + slot_size;
}

bool tables_ready() {
  if (classes == nullptr) classes = map_table<size_class>(class_count);
  if (slabs == nullptr) slabs = map_table<slab>(max_slabs);
  return classes != nullptr && slabs != nullptr;
}

}  // namespace

size_t stack_class(size_t wanted) {
  if (wanted > largest - stack_guard_size) return 0;
  size_t total = wanted + stack_guard_size;
  size_t step = total <= megabyte ? small_step : megabyte;
  return (total + step - 1) / step * step;
}

stack_slot stack_take(size_t slot_size) {
  lock_guard guard(stack_lock);
  if (!tables_ready()) return {};
  size_class& c = classes[index_of(slot_size)];
  if (c.free_top != nullptr) {
    char* top = c.free_top;
    c.free_top = *link_below(top);
    return {top - slot_size, slot_size};
  }
  if (c.fresh == c.fresh_end && !add_slab(c, slot_size)) return {};
  guard_fresh(c, slot_size);
  char* base = c.fresh;
  c.fresh += slot_size;
  ++c.used;
  return {base, slot_size};
}

void stack_give(stack_slot slot) {
  lock_guard guard(stack_lock);
  size_class& c = classes[index_of(slot.size)];
  *link_below(slot.top()) = c.free_top;
  c.free_top = slot.top();
}

void stack_trim(stack_slot slot, char* low_water) {
  char* from = slot.base + stack_guard_size;
  auto end = reinterpret_cast<uintptr_t>(low_water) & ~(page_size - 1);
  auto begin = reinterpret_cast<uintptr_t>(from);
  if (end > begin) sys::advise(from, end - begin, MADV_DONTNEED);
}

bool stack_is_guard(const void* address) {
  auto* at = static_cast<const char*>(address);
  unsigned count = slab_count.load(std::memory_order_acquire);
  for (unsigned i = 0; i < count; ++i) {
    const slab& s = slabs[i];
    if (at < s.first || at >= s.end) continue;
    return static_cast<size_t>(at - s.first) % s.slot_size < stack_guard_size;
  }
  return false;
}

void stack_forget_all() {
  stack_lock.reset();
  if (classes == nullptr) return;
  for (unsigned i = 0; i < class_count; ++i) classes[i] = {};
}

}  // namespace vervet
