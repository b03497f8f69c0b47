#include "runtime/fiber_store.h"

#include <new>
#include <sys/mman.h>

#include "runtime/identity.h"
#include "runtime/sys.h"

namespace vervet::fiber_store {
namespace {

// Recycled fibers by slot size, last in, first out.
struct shelf {
  size_t slot_size;
  fiber* top;
};
constexpr unsigned shelf_count = 64;
shelf shelves[shelf_count];

// Control blocks of fibers on the program's own stacks: type-stable, recycled among themselves.
fiber* spare_blocks;
char* fresh_blocks;
char* fresh_blocks_end;

lock store_lock;

constexpr size_t block_size = (sizeof(fiber) + 63) / 64 * 64;

shelf* shelf_of(size_t slot_size) {
  for (shelf& s : shelves) {
    if (s.slot_size == slot_size) return &s;
    if (s.slot_size != 0) continue;
    s.slot_size = slot_size;
    return &s;
  }
  return nullptr;
}

fiber* pop(size_t slot_size) {
  lock_guard guard(store_lock);
  shelf* s = shelf_of(slot_size);
  if (s == nullptr || s->top == nullptr) return nullptr;
  fiber* f = s->top;
  s->top = f->next_queued;
  return f;
}

bool push(fiber& f) {
  lock_guard guard(store_lock);
  shelf* s = shelf_of(f.stack.size);
  if (s == nullptr) return false;
  f.next_queued = s->top;
  s->top = &f;
  return true;
}

fiber* construct(void* memory) {
  auto* f = new (memory) fiber;
  f->kind_of_sleeper = sleeper_kind::fiber;
  return f;
}

bool donate(fiber& f, char* low, size_t size, void (*body)(void*)) {
  f.thread.id = identity::fresh_id();
  return identity::donate({low, size, &f, body, &f}, f.flow) == 0;
}

fiber* make_on_own_stack(const thread::options& o, void (*body)(void*)) {
  constexpr size_t headroom = 8 * 1024;  // the wrappers' and handlers' share of small stacks
  size_t slot_size = stack_class(o.stack_size + block_size + headroom);
  if (slot_size == 0) return nullptr;
  if (fiber* f = pop(slot_size)) return f;

  stack_slot slot = stack_take(slot_size);
  if (!slot) return nullptr;
  // The block stands above the identity, so that a parked fiber touches as few pages as possible.
  fiber* f = construct(slot.top() - block_size);
  f->stack = slot;
  char* low = slot.base + stack_guard_size;
  if (donate(*f, low, static_cast<size_t>(reinterpret_cast<char*>(f) - low), body)) return f;
  stack_give(slot);
  return nullptr;
}

void give_block(fiber& f) {
  lock_guard guard(store_lock);
  f.next_queued = spare_blocks;
  spare_blocks = &f;
}

fiber* make_on_given_stack(const thread::options& o, void (*body)(void*)) {
  fiber* f = take_block();
  if (f == nullptr) return nullptr;
  f->thread.own_stack = false;
  if (donate(*f, static_cast<char*>(o.stack), o.stack_size, body)) return f;
  give_block(*f);
  return nullptr;
}

}  // namespace

fiber* take(const thread::options& o, void (*body)(void*)) {
  return o.stack != nullptr ? make_on_given_stack(o, body) : make_on_own_stack(o, body);
}

fiber* take_block() {
  lock_guard guard(store_lock);
  if (fiber* f = spare_blocks) {
    spare_blocks = f->next_queued;
    return f;
  }
  if (fresh_blocks == fresh_blocks_end) {
    constexpr size_t chunk = 64 * 1024;
    auto* memory = static_cast<char*>(sys::map(nullptr, chunk, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS));
    if (memory == nullptr) return nullptr;
    fresh_blocks = memory;
    fresh_blocks_end = memory + chunk / block_size * block_size;
  }
  fiber* f = construct(fresh_blocks);
  fresh_blocks += block_size;
  return f;
}

void give(fiber& f) {
  if (f.thread.is_main) return;  // its identity is not a donated one
  if (f.thread.own_stack) {
    f.thread.id = identity::fresh_id();
    identity::set_id(f.flow.identity, f.thread.id);
    if (push(f)) return;
    // Too many sizes: the slot is lost to others as long as libc could still look at the identity.
    identity::retire(f.flow.identity);
    stack_give(f.stack);
    return;
  }
  // The stack is the program's: it may unmap it as soon as it has joined.
  identity::retire(f.flow.identity);
  give_block(f);
}

void forget_all() {
  store_lock.reset();
  for (shelf& s : shelves) s = {};
  spare_blocks = nullptr;
  fresh_blocks = fresh_blocks_end = nullptr;
}

}  // namespace vervet::fiber_store
