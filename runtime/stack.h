// Stacks from slabs: large lazily populated mappings carved into equal slots with a guard page each.
//
// Slots are reused last in, first out, keep their address for ever, and cost no mapping of their own:
// the guard is a page-table marker (MADV_GUARD_INSTALL) where the kernel has it, else mprotect.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "runtime/lock.h"

namespace vervet {

struct stack_slot {
  char* base = nullptr;  // lowest address; the guard page lies here
  size_t size = 0;       // guard included
  explicit operator bool() const { return base != nullptr; }
  char* top() const { return base + size; }
};

inline constexpr size_t page_size = 4096;
inline constexpr size_t stack_guard_size = page_size;

// The slot size that serves `wanted` usable bytes (the guard is added); 0 if impossible.
size_t stack_class(size_t wanted);

// Takes a slot of exactly `slot_size` (a stack_class). Null slot if memory is short.
stack_slot stack_take(size_t slot_size);

// Gives a slot back. Its pages stay; stack_trim() returns them.
void stack_give(stack_slot slot);

// Returns the pages of the slot's stack below `low_water` to the kernel; the guard stays.
void stack_trim(stack_slot slot, char* low_water);

// True if `address` lies in a guard page of any slab: the signature of an overflow.
bool stack_is_guard(const void* address);

// In a forked child: every slot that was in use is forgotten (its pages stay mapped, copy on write).
void stack_forget_all();
extern lock stack_lock;

}  // namespace vervet
